package xdstest

import (
	"maps"
	"slices"
)

// request notes what a client says.
func (s *stream) request(m *Message) {
	t := s.typed(m.Type)
	first := !t.requested
	t.requested = true
	answered := t.open[m.Nonce]
	switch {
	case answered == nil:
	case m.Error == "":
		t.take(answered)
	default:
		t.reject(answered)
	}
	delete(t.open, m.Nonce)
	if m.Delta {
		t.subscribeDelta(m, first)
	} else {
		t.resumed = t.resumed || first && m.Version != ""
		t.subscribeSotW(m, answered == nil)
	}
	t.forget()
}

func (t *typed) subscribeDelta(m *Message, first bool) {
	if first {
		t.claim(m.Known)
		t.prompted = true
		t.wildcard = len(m.Names) == 0
	}
	for _, name := range m.Names {
		t.prompted = true
		if !first {
			delete(t.claimed, name)
		}
		t.want(name)
	}
	for _, name := range m.Unsubscribe {
		if name == "*" {
			t.wildcard = false
			continue
		}
		t.release(name)
		if t.wildcard {
			t.asked[name], t.prompted = true, true // C078: it is told whether the wildcard has it
		}
	}
}

func (t *typed) subscribeSotW(m *Message, again bool) {
	if m.Nonce != "" && m.Nonce != t.nonce {
		t.dropStale(m)
		return
	}
	before := t.wanted
	wasWild := t.wildcard
	t.wanted = make(map[string]bool)
	t.named = t.named || len(m.Names) > 0
	t.wildcard = holdsAll(t.url) && !t.named
	for _, name := range m.Names {
		waiting := t.asked[name]
		t.want(name)
		if before[name] && !again && !waiting {
			delete(t.asked, name)
		}
	}
	for name := range before {
		if !t.wanted[name] {
			t.release(name)
		}
	}
	// A request that answers nothing asks for all it names once more.
	if again || t.wildcard != wasWild || !maps.Equal(before, t.wanted) {
		t.prompted = true
	}
}

// dropStale notes the names that are not in a request with an old nonce. What such a request asks for does not count
// (C025), but the client has dropped the others.
func (t *typed) dropStale(m *Message) {
	for name := range t.wanted {
		if !slices.Contains(m.Names, name) {
			t.release(name)
		}
	}
}

func (t *typed) want(name string) {
	if name == "*" {
		t.wildcard = true
		return
	}
	t.wanted[name] = true
	t.asked[name] = true
	// What is sent next may be from before the server heard that the name was let go of. Then the
	// answer to this is still to come.
	if t.released[name] {
		delete(t.released, name)
		t.touched[name] = true
	}
	// On a stream without clusters the server may hear of the name before it hears that the cluster
	// was acknowledged, in which order they came cannot be seen from beside it, and touch it then.
	if t.url == endpointType && t.stream.types[clusterType] == nil {
		t.touched[name] = true
	}
}

// release notes that the client let go of a name.
func (t *typed) release(name string) {
	delete(t.wanted, name)
	if !t.wants(name) {
		delete(t.rejected, name) // C050: asked for again, it is sent again
	}
	t.released[name] = true
}

// claim notes versions that a client says it holds from an earlier stream.
func (t *typed) claim(known map[string]string) {
	t.claimed = maps.Clone(known)
	for name, version := range known {
		if c := t.stream.recorder.history[held{t.url, name, version}]; c != nil {
			t.taken[name], t.inherited[name] = c, true
			t.sent[name] = &sending{content: c, version: version}
		}
	}
	// What was to be sent again on a stream that ended is sent on this one.
	t.stream.recorder.ofEnded(t.stream.node, func(other *typed) {
		if other.url != t.url {
			return
		}
		for name := range known {
			t.touched[name] = t.touched[name] || other.touched[name]
		}
	})
}

// forget drops what the client no longer wants, and so no longer holds.
func (t *typed) forget() {
	maps.DeleteFunc(t.sent, func(name string, _ *sending) bool { return !t.wants(name) })
	maps.DeleteFunc(t.taken, func(name string, _ *content) bool { return !t.wants(name) })
}
