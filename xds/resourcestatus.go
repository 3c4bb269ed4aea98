package xds

import (
	"iter"
	"slices"
	"strings"
)

// DeliveryState is how far a stream is with one resource.
type DeliveryState int

const (
	NotSent    DeliveryState = iota // the client has something else, or nothing
	Unanswered                      // sent, neither accepted nor rejected yet
	Accepted
	Refused // and not sent again until the content changes
	Missing // asked for by name, but it does not exist, or is not known yet
)

// StreamResources is how far one stream is with every resource that it asks for.
type StreamResources struct {
	StreamInfo
	Types map[string][]ResourceStatus // by type URL; by name
}

// ResourceStatus is how far one stream is with one resource.
type ResourceStatus struct {
	Name string
	// Current is what there is for the client; nil when it was removed and the client still has it.
	Current *Resource
	// Acknowledged is what the client accepted last; nil for none, and for what it had when it
	// connected and that is not what there is.
	Acknowledged *Resource
	State        DeliveryState // of Current
	// Rejection is the one by which Current was rejected; nil when it was not, and when the
	// client has rejected something else since.
	Rejection *Rejection
}

// Resources yields the streams of all nodes that match (all nodes, when match is nil) in the order they came.
// It looks at each stream when it is its turn: one after the other, not at one moment. The cost is that of
// all resources of all these streams: it is for people's questions, not for every change.
func (s *Server) Resources(match func(*Node) bool) iter.Seq[StreamResources] {
	return func(yield func(StreamResources) bool) {
		for _, st := range s.allStreams() {
			if match != nil && !match(st.info.Node) {
				continue
			}
			if !yield(st.resources()) {
				return
			}
		}
	}
}

func (st *stream) resources() StreamResources {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.load()
	all := StreamResources{StreamInfo: st.info, Types: map[string][]ResourceStatus{}}
	for _, w := range st.session.watches {
		all.Types[w.typeURL] = w.resources()
	}
	return all
}

// resources lists what there is for the client and what it has, by name.
func (w *watch) resources() []ResourceStatus {
	want := w.want
	if want == nil { // nothing is published: the client keeps what it has
		want = w.acked
	}
	var all []ResourceStatus
	for r := range want.all() {
		all = append(all, w.resource(r.name, r))
	}
	for r := range w.acked.all() {
		if want.get(r.name) == nil && !r.isUnknownState() {
			all = append(all, w.resource(r.name, nil))
		}
	}
	for _, name := range w.missingNames() {
		if w.acked.get(name) == nil {
			all = append(all, ResourceStatus{Name: name, State: Missing})
		}
	}
	slices.SortFunc(all, func(a, b ResourceStatus) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (w *watch) resource(name string, current *Resource) ResourceStatus {
	status := ResourceStatus{Name: name, Current: current}
	if has := w.acked.get(name); has != nil && !has.placeholder {
		status.Acknowledged = has
	}
	switch {
	case w.isRejected(change{name: name, new: current}):
		status.State = Refused
		if r := w.rejections.latest; r != nil && slices.Contains(r.Names, name) {
			status.Rejection = r
		}
	case sameContent(status.Acknowledged, current):
		status.State = Accepted
	case sameContent(w.sent.get(name), current):
		status.State = Unanswered
	}
	return status
}
