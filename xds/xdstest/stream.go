package xdstest

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// stream is one open xDS stream, as the messages on it so far make it known.
type stream struct {
	recorder *Recorder
	node     string
	nonces   map[string]bool
	types    map[string]*typed
}

// typed is one type on one stream: a logical stream of its own (C005).
type typed struct {
	stream *stream
	url    string

	// What the client asked for.
	wildcard  bool
	named     bool            // it ever gave a name, so that an empty list no longer means all
	wanted    map[string]bool // names
	requested bool
	prompted  bool              // it asked for something since the last response
	asked     map[string]bool   // names it asked for, not answered yet
	claimed   map[string]string // by name: versions it said it holds when the stream began, until sent

	// What it was sent, and what it took.
	responses int
	nonce     string              // of the last response
	open      map[string]*Message // by nonce: responses not answered yet
	sent      map[string]*sending // by name: what it has once it has taken all that was sent
	taken     map[string]*content // by name: what it has acknowledged
	inherited map[string]bool     // names in taken that it only claimed: the server cannot know the content
	resumed   bool                // it came with a version, and what it has is not known until it acknowledges something
	touched   map[string]bool     // names that may be sent again though unchanged, once
	undone    map[string]bool     // names that were rejected: what the client had may be sent again, once, since it may have taken the rejected content
	released  map[string]bool     // names it let go of: a removal may have crossed with that, once

	rejected map[string][]*content // by name
	refused  []map[string]*content // what changed in each rejected response

	early    []dependency // sent while what they need was not there
	orphaned []dependency // removed while something needed them
}

// sending is a resource as it was last sent.
type sending struct {
	*content
	version string
	nonce   string
	at      time.Time
}

// dependency is one resource that refers to another, found in an order that only later messages
// can prove wrong.
type dependency struct {
	parent *typed
	name   string    // of the parent's resource
	on     reference // what it refers to
	at     time.Time
}

// open begins a stream with its first message. It is called with the recorder's mu held.
func (r *Recorder) open(first *Message) *stream {
	s := &stream{recorder: r, node: first.Node, nonces: make(map[string]bool), types: make(map[string]*typed)}
	r.streams = append(r.streams, s)
	return s
}

// maxEnded is how many ended streams are remembered.
const maxEnded = 16

// close ends a stream: its client holds nothing any more, as far as this connection goes.
func (r *Recorder) close(s *stream) {
	r.streams = slices.DeleteFunc(r.streams, func(other *stream) bool { return other == s })
	r.ended = append(r.ended, s)
	r.ended = r.ended[max(0, len(r.ended)-maxEnded):]
}

// ofNode calls each with every type on every open stream of the node.
func (r *Recorder) ofNode(node string, each func(*typed)) {
	for _, s := range r.streams {
		if s.node != node {
			continue
		}
		for _, url := range slices.Sorted(maps.Keys(s.types)) {
			each(s.types[url])
		}
	}
}

// ofEnded does so for the streams of the node that ended last.
func (r *Recorder) ofEnded(node string, each func(*typed)) {
	for _, s := range r.ended {
		if s.node != node {
			continue
		}
		for _, t := range s.types {
			each(t)
		}
	}
}

func (s *stream) typed(url string) *typed {
	t := s.types[url]
	if t == nil {
		t = &typed{
			stream: s, url: url,
			wanted: make(map[string]bool), asked: make(map[string]bool), open: make(map[string]*Message),
			sent: make(map[string]*sending), taken: make(map[string]*content), touched: make(map[string]bool),
			released: make(map[string]bool), undone: make(map[string]bool),
			rejected: make(map[string][]*content), inherited: make(map[string]bool),
		}
		s.types[url] = t
	}
	return t
}

func (t *typed) wants(name string) bool { return t.wildcard || t.wanted[name] }

// take notes that the client acknowledged a response.
func (t *typed) take(m *Message) {
	t.resumed = false
	if !m.Delta && holdsAll(t.url) {
		clear(t.taken)
	}
	for _, r := range m.Resources {
		if !r.Heartbeat {
			t.taken[r.Name] = r.content
			delete(t.inherited, r.Name)
		}
	}
	for _, name := range m.Removed {
		delete(t.taken, name)
	}
}

// reject notes that the client refused a response: it holds what it held before, though it may have
// taken a part. So it may be told once more what that was.
func (t *typed) reject(m *Message) {
	t.prompted = true
	changes := t.changes(m)
	t.refused = append(t.refused, changes)
	for _, r := range m.Resources {
		if changes[r.Name] != nil && t.wants(r.Name) {
			t.rejected[r.Name] = append(t.rejected[r.Name], r.content)
			t.undone[r.Name] = true
		}
		t.restore(r.Name, m.Nonce)
	}
	for name, c := range t.taken {
		if t.sent[name] == nil {
			t.sent[name] = &sending{content: c} // its removal was refused with the rest
		}
	}
}

func (t *typed) restore(name, nonce string) {
	if s := t.sent[name]; s == nil || s.nonce != nonce {
		return
	}
	if c := t.taken[name]; c != nil {
		t.sent[name] = &sending{content: c}
	} else {
		delete(t.sent, name)
	}
}

// changes returns the resources in m that are not what the client has acknowledged.
func (t *typed) changes(m *Message) map[string]*content {
	changes := make(map[string]*content)
	for _, r := range m.Resources {
		if c := t.taken[r.Name]; !r.Heartbeat && !r.content.equal(c) {
			changes[r.Name] = r.content
		}
	}
	return changes
}

// removals returns the names that m takes from the client.
func (t *typed) removals(m *Message) []string {
	if m.Delta {
		return slices.DeleteFunc(slices.Clone(m.Removed), func(name string) bool { return t.sent[name] == nil })
	}
	if !holdsAll(t.url) {
		return nil
	}
	var names []string
	for name := range t.sent {
		if !slices.ContainsFunc(m.Resources, func(r Resource) bool { return r.Name == name }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// response notes what the server says, once it was judged.
func (t *typed) response(m *Message) {
	for _, name := range t.removals(m) {
		delete(t.sent, name)
	}
	for _, r := range m.Resources {
		if r.Heartbeat {
			continue
		}
		t.touch(r)
		t.settle(r)
		t.sent[r.Name] = &sending{content: r.content, version: r.Version, nonce: m.Nonce, at: m.Time}
		switch {
		case t.asked[r.Name]:
		case t.touched[r.Name]:
			delete(t.touched, r.Name)
		default:
			delete(t.undone, r.Name)
		}
		delete(t.asked, r.Name)
		delete(t.claimed, r.Name)
	}
	for _, name := range m.Removed {
		delete(t.asked, name)
		delete(t.claimed, name)
		delete(t.released, name)
	}
	t.prompted = false
	t.responses++
	t.nonce = m.Nonce
	t.stream.nonces[m.Nonce] = true
	t.open[m.Nonce] = m
}

// settle forgets what was rejected of a resource once it has had a content that is neither that nor
// what the client holds: coming back to it is a change.
func (t *typed) settle(r Resource) {
	if !r.content.equal(t.taken[r.Name]) && !slices.ContainsFunc(t.rejected[r.Name], r.content.equal) {
		delete(t.rejected, r.Name)
	}
}

// touch notes what is to be sent again after r: the assignment of a cluster that changed, and the
// virtual hosts of a route configuration (C094, C112).
func (t *typed) touch(r Resource) {
	touch := func(other *typed) {
		for name := range other.wanted {
			assigned := t.url == clusterType && r.content.refersTo(reference{other.url, name})
			hosted := t.url == routeType && other.url == hostType && strings.HasPrefix(name, r.Name+"/")
			if assigned || hosted {
				other.touched[name] = true
			}
		}
	}
	t.stream.recorder.ofNode(t.stream.node, touch)
	t.stream.recorder.ofEnded(t.stream.node, touch)
}
