package client

import (
	"maps"
	"slices"
)

// Wildcard, as a name, subscribes to all resources of a type that the server has for this node.
const Wildcard = "*"

// subscription is all that is known about one type.
type subscription struct {
	typeURL string
	wanted  map[string]bool // names, Wildcard among them
	dropped map[string]bool // names the server was told, and is to be told are not wanted before it hears of them again

	known   map[string]string // by name: versions of accepted resources
	version string            // state-of-the-world: of the last accepted response

	// What the server was told, and said, on the current stream.
	requested bool            // the first request for the type was sent
	told      map[string]bool // the names it was told
	nonce     string          // of the last response
	pending   bool            // that response is not answered
	answers   []answer        // to be sent, in order
}

func newSubscription(typeURL string) *subscription {
	return &subscription{typeURL: typeURL, wanted: make(map[string]bool), known: make(map[string]string)}
}

// restart forgets the stream (C007) and keeps what outlives it.
func (s *subscription) restart() {
	s.requested, s.told, s.dropped, s.nonce, s.pending, s.answers = false, nil, nil, "", false, nil
}

func (s *subscription) add(names []string) {
	for _, name := range names {
		s.wanted[name] = true
	}
}

// remove drops names, and with them what is known of resources that are no longer asked for: the
// user may discard those, so they must be sent in full if asked for again.
func (s *subscription) remove(names []string) {
	for _, name := range names {
		delete(s.wanted, name)
		if s.told[name] {
			if s.dropped == nil {
				s.dropped = make(map[string]bool)
			}
			s.dropped[name] = true
		}
	}
	maps.DeleteFunc(s.known, func(name, _ string) bool { return !s.asksFor(name) })
}

func (s *subscription) asksFor(name string) bool { return s.wanted[name] || s.wanted[Wildcard] }

// accept notes the versions of an accepted update.
func (s *subscription) accept(u *Update) {
	s.version = u.Version
	for _, r := range u.Resources {
		if s.asksFor(r.Name) {
			s.known[r.Name] = r.Version
		}
	}
	for _, name := range u.Removed {
		delete(s.known, name)
	}
}

// answered queues an answer to a response of the current stream.
func (s *subscription) answered(a answer) {
	s.answers = append(s.answers, a)
	s.pending = a.update.nonce != s.nonce
}

// untold returns the names that the server is yet to be told are wanted, and no longer wanted.
func (s *subscription) untold() (subscribe, unsubscribe []string) {
	next := s.next()
	return missing(next, s.told), missing(s.told, next)
}

// next returns the names of the next request. A name that was dropped and is wanted again comes in the
// request after it: the user may have discarded the resource, and a server sends only what it does not
// take for delivered.
func (s *subscription) next() map[string]bool {
	next := maps.Clone(s.wanted)
	for name := range s.dropped {
		delete(next, name)
	}
	return next
}

// due reports whether there is anything to tell the server.
func (s *subscription) due() bool {
	if !s.requested {
		return len(s.wanted) > 0
	}
	return len(s.answers) > 0 || len(s.dropped) > 0 || !maps.Equal(s.wanted, s.told)
}

// tell returns the next answer to go with a request that tells the server all that is wanted; nil
// if there is none.
func (s *subscription) tell() *answer {
	s.requested, s.told, s.dropped = true, s.next(), nil
	if len(s.answers) == 0 {
		return nil
	}
	a := s.answers[0]
	s.answers = s.answers[1:]
	return &a
}

// missing returns, sorted, the names in a that are not in b.
func missing(a, b map[string]bool) []string {
	var names []string
	for name := range a {
		if !b[name] {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
