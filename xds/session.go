package xds

import (
	"slices"
	"time"
)

// A session is the protocol of one stream as a pure state machine: requests and the time go
// in, responses and the time of the next wake-up come out. It has no goroutine, timer or
// socket. Its group's lock guards it.
type session struct {
	delta   bool
	ttl     bool // the client understands resource TTLs
	node    *Node
	waker   waker
	source  Source
	group   *group
	rules   *rules
	watches []*watch // by rank, then by first request
	nonces  uint64   // given out so far
	names   int      // subscribed to, over all types
}

// rules are what a server's options decide of the protocol.
type rules struct {
	isolate          bool
	relay            bool          // another server decides what of a rejected response is offered again
	pushHosts        bool          // a VHDS request that names nothing asks for everything
	errors           bool          // resource errors (C109)
	orderTimeout     time.Duration // an addition held longer goes ahead
	removalGrace     time.Duration
	maxSubscriptions int // 0 = no limit
	bodyCache        *bodyCache
}

// response is one message to a client.
type response struct {
	session *session
	watch   *watch
	nonce   string
	version string
	body    *body
	list    *difference // what it changes; nil when it is a whole state or a heartbeat
	whole   *content    // state-of-the-world: all it contains, for types that need it
	missing []string    // names to report as not existing
	tail    []byte      // what is this stream's own, after the body
	delta   bool
	generic
}

// size is that of the encoded message in bytes.
func (r *response) size() int { return len(r.body.bytes) + len(r.tail) }

// receive takes a request. The error, a gRPC status, ends the stream.
func (s *session) receive(now time.Time, r *request) error {
	w := s.watch(r.typeURL)
	if w == nil {
		w = s.open(r.typeURL)
	}
	answers := false
	receive := w.receiveDelta
	if !s.delta {
		receive = w.receiveSotW
	}
	if r.nonce != "" && !w.fresh {
		w.unanswered = 0
		answers = w.pending != nil && r.nonce == w.pending.nonce
		if r.nonce != w.nonce && !s.delta {
			receive = w.receiveStale
		}
	}
	if err := receive(now, r); err != nil {
		return err
	}
	if answers { // for what the client asks for by now, which it took from the response
		w.answer(now, r)
	}
	return w.boundRepeats()
}

// askedLast says whether the last request of a type had exactly these names. Only who calls
// receive may call it.
func (s *session) askedLast(typeURL string, names encodedNames) bool {
	w := s.watch(typeURL)
	return w != nil && !w.fresh && w.last == names
}

// watch returns the state of a type, nil when the client never asked for it.
func (s *session) watch(typeURL string) *watch {
	for _, w := range s.watches {
		if w.typeURL == typeURL {
			return w
		}
	}
	return nil
}

func (s *session) open(typeURL string) *watch {
	none := nothing()
	w := &watch{kind: kindOf(typeURL), session: s}
	w.fresh, w.acked, w.sent = true, none, none
	at := len(s.watches)
	for at > 0 && s.watches[at-1].rank > w.rank {
		at--
	}
	s.watches = slices.Insert(s.watches, at, w)
	return w
}

// next returns a response to send now, nil when there is none. The caller has loaded the
// group and calls next until it returns nil.
func (s *session) next(now time.Time) *response {
	for {
		s.group.release(now)
		epoch := s.group.epoch
		for _, w := range s.watches {
			if r := w.respond(now); r != nil {
				return r
			}
		}
		if s.group.epoch == epoch {
			return nil
		}
	}
}

// wakeup returns when next may have something without any other event; zero for never.
func (s *session) wakeup() time.Time {
	var earliest time.Time
	for _, w := range s.watches {
		earliest = earlier(earliest, w.wakeup())
	}
	return earliest
}

// earlier returns the earlier of two times, of which zero means never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// relocate moves all watches whose node now belongs to other pools.
func (s *session) relocate() {
	for _, w := range s.watches {
		w.attach()
	}
}

// close ends all subscriptions.
func (s *session) close() {
	for _, w := range s.watches {
		w.detach()
	}
}
