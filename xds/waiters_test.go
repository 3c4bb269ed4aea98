package xds

import (
	"context"
	"testing"
	"time"
)

// An acknowledgement is looked at on its own stream only, whatever happens on others.
func TestWaitLooksAtOneStream(t *testing.T) {
	cache := NewLinearCache(ClusterType)
	cache.Put(NewResource(ClusterType, "a", nil, ResourceOptions{}))
	server := NewServer(cache, ServerOptions{})
	defer server.Shutdown()
	open := func(id uint64, acknowledge bool) *stream {
		st := &stream{server: server, info: StreamInfo{ID: id, Node: &Node{}}}
		st.session = session{delta: true, node: st.info.Node, waker: asleep{}, source: cache, rules: &server.rules, group: &group{}}
		st.session.group.sessions = []*session{&st.session}
		if err := st.session.receive(time.Now(), &request{delta: true, typeURL: ClusterType}); err != nil {
			t.Fatal(err)
		}
		st.session.group.load()
		r := st.session.next(time.Now())
		if acknowledge {
			acknowledgeIt(t, st, r.nonce)
		}
		server.mu.Lock()
		server.streams[id] = st
		server.mu.Unlock()
		t.Cleanup(func() {
			server.mu.Lock()
			delete(server.streams, id)
			server.mu.Unlock()
			st.session.close()
		})
		return st
	}
	other := open(1, true) // looked at first
	late := open(2, false)

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.WaitAcknowledged(ctx, Ref{ClusterType, "a"}) }()
	for behind := 0; behind == 0; { // until it has looked at all streams once
		server.waiters.mu.Lock()
		for w := range server.waiters.all {
			behind = len(w.behind)
		}
		server.waiters.mu.Unlock()
	}
	other.session.group.mu.Lock() // who looked at this stream again would have to wait
	defer other.session.group.mu.Unlock()
	acknowledgeIt(t, late, late.session.watch(ClusterType).nonce)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func acknowledgeIt(t *testing.T, st *stream, nonce string) {
	t.Helper()
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := st.session.receive(time.Now(), &request{delta: true, typeURL: ClusterType, nonce: nonce}); err != nil {
		t.Fatal(err)
	}
	g.load()
	st.server.waiters.look(st)
}
