package xds

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"
)

// NodeStatus is how far a node is.
type NodeStatus struct {
	Node    *Node
	Streams []StreamStatus
}

// StreamStatus is how far one stream is.
type StreamStatus struct {
	StreamInfo
	// Process tells apart the processes that use the node's ID, by numbers from 1: streams on one
	// connection are one process's. A node with several processes is a copied image, or a program
	// that opens several channels, or a client that came back before the end of its old connection was noticed
	// (at most two minutes with GRPCOptions). Processes do not wait for each other.
	Process int
	Opened  time.Time
	Types   map[string]TypeStatus // by type URL; shared, must not be changed
	// Version changes whenever Types does, and is of no other stream of the server. It may also change when Types does not.
	Version uint64
}

// TypeStatus is how far one stream is with one type. What a client that comes back says it has counts as
// sent and acknowledged, at no time that this server knows.
type TypeStatus struct {
	Sent, Acknowledged     string // version of the type as sent / acknowledged last; "" for none
	SentAt, AcknowledgedAt time.Time
	InSync                 bool       // acknowledged everything it asks for, nothing held, rejected or missing
	Rejected               *Rejection // until accepted
	Held                   []Hold     // by name
	// Recovering: changes of what the client had when it connected are withheld; see
	// [LinearCacheOptions.Recovering].
	Recovering bool
	// Missing are the names that the client asks for and that do not exist, or of which it is not
	// known yet. The client is not in sync as long as there are any, except with virtual hosts:
	// there, a name comes from whoever calls the proxy (C112).
	Missing []string
}

// Hold is a change not sent yet: by what it waits for, and since when.
type Hold struct {
	Change   Ref
	Removal  bool
	WaitsFor []Ref
	Reason   string
	Since    time.Time
}

// Status returns all nodes with open streams, by ID.
func (s *Server) Status() []NodeStatus {
	streams := s.allStreams()
	slices.SortFunc(streams, func(a, b *stream) int {
		return cmp.Or(strings.Compare(a.info.Node.ID, b.info.Node.ID), cmp.Compare(a.info.ID, b.info.ID))
	})
	statuses := make([]StreamStatus, len(streams)) // of all nodes, in one piece
	all := make([]NodeStatus, 0, len(streams))
	for i, st := range streams {
		statuses[i] = st.status()
		last := len(all) - 1
		if last < 0 || all[last].Node.ID != st.info.Node.ID {
			all = append(all, NodeStatus{Node: st.info.Node, Streams: statuses[i:i:len(statuses)]})
			last++
		}
		all[last].Streams = statuses[i-len(all[last].Streams) : i+1 : i+1]
	}
	return all
}

// Processes is how many processes use the node's ID; see StreamStatus.Process.
func (n NodeStatus) Processes() int {
	seen := map[int]bool{}
	for _, s := range n.Streams {
		seen[s.Process] = true
	}
	return len(seen)
}

// NodeStatus returns one node; one that is not known has no streams.
func (s *Server) NodeStatus(id string) NodeStatus {
	var n NodeStatus
	for _, st := range s.allStreams() {
		if st.info.Node.ID == id {
			n.Node = st.info.Node
			n.Streams = append(n.Streams, st.status())
		}
	}
	return n
}

// allStreams returns the open streams in the order they came.
func (s *Server) allStreams() []*stream {
	s.mu.Lock()
	all := slices.Collect(maps.Values(s.streams))
	s.mu.Unlock()
	slices.SortFunc(all, func(a, b *stream) int { return cmp.Compare(a.info.ID, b.info.ID) })
	return all
}

func (st *stream) status() StreamStatus {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if st.woken.Load() || st.unseen { // else it has looked at what is published, as in push
		g.load()
	}
	if st.types == nil || st.at != g.activity {
		st.types = make(map[string]TypeStatus, len(st.session.watches))
		for _, w := range st.session.watches {
			st.types[w.typeURL] = w.status()
		}
		st.version, st.at = st.server.statusVersion.Add(1), g.activity
	}
	return StreamStatus{StreamInfo: st.info, Process: g.process, Opened: st.opened, Types: st.types, Version: st.version}
}

// reported is the last status of a stream, which is returned again until something happens in its group. The lock of the
// group guards it.
type reported struct {
	types   map[string]TypeStatus
	version uint64
	at      uint64 // the group's activity
}

func (w *watch) status() TypeStatus {
	status := TypeStatus{SentAt: w.sentAt, AcknowledgedAt: w.ackedAt, InSync: w.inSync(), Recovering: w.catchUp != nil}
	if w.answered || w.sent.sum != (setSum{}) {
		status.Sent = w.lastVersion()
	}
	if !w.ackedAt.IsZero() || w.acked.sum != (setSum{}) {
		status.Acknowledged = w.acked.version()
	}
	if w.rejections != nil {
		status.Rejected = w.rejections.latest
	}
	for _, h := range w.withheld {
		status.Held = append(status.Held, Hold{
			Change: Ref{w.typeURL, h.name}, Removal: h.version == "",
			WaitsFor: slices.Clone(h.waits), Reason: h.reason, Since: h.since,
		})
	}
	status.Missing = w.missingNames()
	status.InSync = status.InSync && (len(status.Missing) == 0 || w.typeURL == VirtualHostType)
	slices.SortFunc(status.Held, func(a, b Hold) int { return strings.Compare(a.Change.Name, b.Change.Name) })
	return status
}

// missingNames are those that the client asks for and that do not exist.
func (w *watch) missingNames() []string {
	if w.want == nil || !w.wildcard && w.want.further == nil && w.want.count == len(w.asked) {
		return nil // of a name there is at most one
	}
	var missing []string
	for _, name := range w.asked {
		if w.want.find(name) == nil {
			missing = append(missing, name)
		}
	}
	return missing
}

// lastVersion is the version of the type in the latest response, rejected or not.
func (w *watch) lastVersion() string {
	if t := w.rejections; t != nil && w.pending == nil && t.latest.Time.After(w.ackedAt) {
		return t.latest.Version
	}
	return w.sent.version()
}

// inSync says whether the client has acknowledged all there is for it.
func (w *watch) inSync() bool {
	return w.want != nil && w.catchUp == nil && w.pending == nil && w.rejections == nil && len(w.withheld) == 0 && w.acked.sum == w.want.sum && len(w.resends)+len(w.parentChanged) == 0
}
