package xds

import (
	"context"
	"slices"
)

// Answer is what the streams of a node have answered for one resource. It is zero while none has answered.
type Answer struct {
	Accepted bool       // at least one stream accepted it, and none rejected it
	Rejected *Rejection // of a stream that rejected it
}

// WaitAnswered returns when the streams of a node have answered for everything in refs: when every open stream that
// subscribes to one of them, and at least one stream for each, has accepted or rejected its content (or absence) of
// the time of the call or later. If ctx ends first, WaitAnswered returns ctx.Err() and the answers so far. A program
// that relays what another server sends uses it to answer that server as its own client did.
func (s *Server) WaitAnswered(ctx context.Context, nodeID string, refs ...Ref) ([]Answer, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	refs = slices.Clone(refs)
	for i := range refs {
		refs[i].Name = canonicalName(refs[i].Name)
	}
	w := newWaiter(refs)
	w.of = func(st *stream) bool { return st.info.Node.ID == nodeID }
	w.answers, w.unanswered = make([]Answer, len(refs)), len(refs)
	err := s.wait(ctx, w)
	s.waiters.mu.Lock()
	defer s.waiters.mu.Unlock()
	return slices.Clone(w.answers), err
}

// answered says whether the stream need not be waited for any longer for one of the waiter's resources, and
// records the answer. The caller holds the locks of waiters and of the stream's group.
func (w *waiter) answered(st *stream, i int) bool {
	if !st.acknowledged(w.refs[i]) {
		return false
	}
	if w.answers == nil {
		return true
	}
	a := st.answer(w.refs[i])
	if a == (Answer{}) {
		return true
	}
	before := &w.answers[i]
	if *before == (Answer{}) {
		w.unanswered--
	}
	if before.Rejected == nil {
		*before = a
	}
	return true
}

// answer returns what the stream's client has answered for ref, which is acknowledged. It is zero when the client does
// not ask for it.
func (st *stream) answer(ref Ref) Answer {
	w := st.session.watch(ref.Type)
	if w == nil || w.want == nil {
		return Answer{}
	}
	r := w.want.find(ref.Name)
	switch {
	case r == nil && !w.asks(ref.Name), r != nil && !w.asksFor(r):
		return Answer{}
	case w.isRejected(change{name: ref.Name, new: r}):
		return Answer{Rejected: w.rejections.latest}
	}
	return Answer{Accepted: true}
}

// OfferAgain has the streams of a node sent the resources in refs again that they rejected with the present content. It is
// for servers with ServerOptions.Relay: the server that the resources come from offers them again, to find out which
// part of a response was rejected.
func (s *Server) OfferAgain(nodeID string, refs ...Ref) {
	for _, st := range s.allStreams() {
		if st.info.Node.ID == nodeID && st.offerAgain(refs) {
			st.push(false)
		}
	}
}

// offerAgain reports whether the stream has anything of the types of refs.
func (st *stream) offerAgain(refs []Ref) (found bool) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, ref := range refs {
		if w := st.session.watch(ref.Type); w != nil {
			w.offerAgain(canonicalName(ref.Name))
			found = true
		}
	}
	return found
}
