package xds

import (
	"context"
	"sync"
	"sync/atomic"
)

// waiters are the calls of WaitAcknowledged and WaitAnswered under way. A stream tells them how far it is whenever it
// may have changed: at the end of each push, which follows every request and every publication that
// concerns it. So an acknowledgement costs the same however many streams there are.
type waiters struct {
	count atomic.Int32 // of all; what streams look at first
	mu    sync.Mutex   // guards the rest; taken after a group's lock
	all   map[*waiter]struct{}
}

// waiter is one call.
type waiter struct {
	refs []Ref
	of   func(*stream) bool // whose acknowledgement counts; nil: everybody's
	done chan struct{}      // has one slot: there may be nothing more to wait for

	// Guarded by the lock of waiters.
	behind     map[*stream]int // by stream: how many of refs it has acknowledged
	answers    []Answer        // of WaitAnswered, for each of refs; else nil
	unanswered int             // how many of answers are zero
}

func newWaiter(refs []Ref) *waiter {
	return &waiter{refs: refs, behind: map[*stream]int{}, done: make(chan struct{}, 1)}
}

func (w *waiters) add(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*waiter]struct{}{}
	}
	w.all[one] = struct{}{}
	w.count.Add(1)
}

func (w *waiters) remove(one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, one)
	w.count.Add(-1)
}

// look takes note of how far a stream is, for everybody who waits. The caller holds the lock of the
// stream's group.
func (w *waiters) look(st *stream) {
	if w.count.Load() == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		one.note(st)
	}
}

// note takes note of how far a stream is. The caller holds the locks of waiters and of the stream's group.
func (w *waiter) note(st *stream) {
	if w.of != nil && !w.of(st) {
		return
	}
	n := w.behind[st]
	for n < len(w.refs) && w.answered(st, n) {
		n++
	}
	if n < len(w.refs) && !st.closed {
		w.behind[st] = n
		return
	}
	delete(w.behind, st)
	if !w.isComplete() {
		return
	}
	select {
	case w.done <- struct{}{}:
	default:
	}
}

// isComplete says whether there is nothing more to wait for.
func (w *waiter) isComplete() bool { return len(w.behind)+w.unanswered == 0 }

func (w *waiters) isComplete(one *waiter) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return one.isComplete()
}

// WaitAcknowledged returns nil when every stream that subscribes to ref has acknowledged its content
// (or absence) of the time of the call or later, and ctx.Err() if ctx ends first. Rejected counts as
// acknowledged.
func (s *Server) WaitAcknowledged(ctx context.Context, ref Ref) error {
	ref.Name = canonicalName(ref.Name)
	return s.wait(ctx, newWaiter([]Ref{ref}))
}

// wait returns when w is complete, or ctx.Err().
func (s *Server) wait(ctx context.Context, w *waiter) error {
	s.waiters.add(w)
	defer s.waiters.remove(w)
	for _, st := range s.allStreams() {
		s.lookAt(st, w)
	}
	for !s.waiters.isComplete(w) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-w.done:
		}
	}
	return nil
}

// lookAt lets a waiter take note of how far a stream is with what is published by now.
func (s *Server) lookAt(st *stream, w *waiter) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.load()
	s.waiters.mu.Lock()
	defer s.waiters.mu.Unlock()
	w.note(st)
}

// acknowledged says whether the client has acknowledged, or rejected, what was wanted of ref when the
// group was loaded last. The caller holds the group's lock.
func (st *stream) acknowledged(ref Ref) bool {
	w := st.session.watch(ref.Type)
	if w == nil || w.want == nil {
		return true
	}
	if w.awaitsCatchUp(ref.Name) && w.named(ref.Name) {
		return false
	}
	want := w.want.find(ref.Name)
	return sameContent(w.acked.find(ref.Name), want) || w.isRejected(change{name: ref.Name, new: want})
}
