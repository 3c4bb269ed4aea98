package xds

import (
	"context"
	"sync"
	"time"
)

// waiters are those who wait until something was acknowledged.
type waiters struct {
	mu      sync.Mutex
	changed chan struct{} // nil when nobody waits
}

// notify lets everybody who waits look again.
func (w *waiters) notify() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed != nil {
		close(w.changed)
		w.changed = nil
	}
}

// next returns a channel that is closed when there is something new to see.
func (w *waiters) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.changed == nil {
		w.changed = make(chan struct{})
	}
	return w.changed
}

// lookPause keeps those who wait from looking at all streams after every single ACK.
const lookPause = 2 * time.Millisecond

// WaitAcknowledged returns when every stream that subscribes to ref has acknowledged its
// current content (or absence), ctx.Err() when ctx ends first. Rejected counts as acknowledged.
func (s *Server) WaitAcknowledged(ctx context.Context, ref Ref) error {
	ref.Name = canonicalName(ref.Name)
	for {
		changed := s.waiters.next()
		if s.acknowledged(ref) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lookPause):
		}
	}
}

func (s *Server) acknowledged(ref Ref) bool {
	for _, st := range s.allStreams() {
		if !st.acknowledged(ref) {
			return false
		}
	}
	return true
}

func (st *stream) acknowledged(ref Ref) bool {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	p := st.session.place(ref.Type)
	if p == nil {
		return true
	}
	g.load()
	if p.want == nil {
		return true
	}
	want := p.want.find(ref.Name)
	return sameContent(p.acked.find(ref.Name), want) || p.isParked(change{name: ref.Name, new: want})
}
