package xds

import (
	"context"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
)

// countingStream is a gRPC stream that counts what is sent on it.
type countingStream struct {
	grpc.ServerStream
	sent []*response
}

func (*countingStream) Context() context.Context { return context.Background() }

func (c *countingStream) SendMsg(m any) error {
	c.sent = append(c.sent, m.(*response))
	return nil
}

// A change that came while a response was not acknowledged waits for the dispatcher's next round,
// which is paced, and is not sent on each stream as soon as its ACK comes. Whoever asks for
// something is answered at once.
func TestAcksDoNotOvertakeTheDispatcher(t *testing.T) {
	cache := NewLinearCache(ClusterType)
	put := func(name, body string) { cache.Put(NewResource(ClusterType, name, []byte(body), ResourceOptions{})) }
	put("a", "1")
	server := NewServer(cache, ServerOptions{})
	t.Cleanup(server.Shutdown)
	sent := &countingStream{}
	st := newTestStream(t, server, sent, &request{delta: true, typeURL: ClusterType, node: &corev3.Node{Id: "n"}})
	handle := func(r *request, want int) {
		t.Helper()
		r.delta, r.typeURL = true, ClusterType
		if err := st.handle(r); err != nil {
			t.Fatal(err)
		}
		if len(sent.sent) != want {
			t.Fatalf("%d responses, want %d", len(sent.sent), want)
		}
	}
	handle(&request{}, 1)
	st.woken.Store(true) // queued: the dispatcher has not come to it yet
	put("a", "2")
	handle(&request{nonce: sent.sent[0].nonce}, 1)
	st.push(false) // it comes
	if len(sent.sent) != 2 {
		t.Fatalf("%d responses, want 2", len(sent.sent))
	}
	st.woken.Store(true)
	handle(&request{nonce: sent.sent[1].nonce, names: []string{"none"}}, 3)
	st.woken.Store(true)
	put("a", "3")
	handle(&request{nonce: sent.sent[2].nonce, refused: true}, 4)
	st.woken.Store(false) // nothing is queued: an ACK is followed by what there is
	handle(&request{nonce: sent.sent[3].nonce}, 4)
}

// newTestStream returns a stream that is admitted by its first request.
func newTestStream(t *testing.T, server *Server, g grpc.ServerStream, first *request) *stream {
	st := &stream{server: server, grpc: g, ended: make(chan struct{}), window: newSendWindow(g.Context())}
	if err := st.begin(method{name: "delta-ads", delta: true}, first); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.finish)
	return st
}

// A stream looks at what is published when it is woken or asks for something. An ACK, and the end of a response,
// do not make it look: there are far more of them than of publications.
func TestAcksDoNotLookAtPools(t *testing.T) {
	cache := NewLinearCache(ClusterType)
	cache.Put(NewResource(ClusterType, "a", []byte("1"), ResourceOptions{}))
	server := NewServer(cache, ServerOptions{})
	t.Cleanup(server.Shutdown)
	sent := &countingStream{}
	st := newTestStream(t, server, sent, &request{delta: true, typeURL: ClusterType, node: &corev3.Node{Id: "n"}})
	if err := st.handle(&request{delta: true, typeURL: ClusterType}); err != nil {
		t.Fatal(err)
	}
	seen := st.session.watches[0].want
	put := NewResource(ClusterType, "a", []byte("2"), ResourceOptions{})
	cache.pool.mu.Lock() // a publication that has not woken anybody yet
	cache.pool.collections[ClusterType].replace(emptyTable.with([]change{{name: "a", new: put}}), nil)
	cache.pool.mu.Unlock()
	if err := st.handle(&request{delta: true, typeURL: ClusterType, nonce: sent.sent[0].nonce}); err != nil {
		t.Fatal(err)
	}
	if got := st.session.watches[0]; got.want != seen || got.acked.count != 1 {
		t.Error("the ACK made the stream look at what is published")
	}
	st.woken.Store(true)
	st.push(false)
	if len(sent.sent) != 2 {
		t.Errorf("%d responses after the stream was woken, want 2", len(sent.sent))
	}
}

// Totals are kept as streams change: asking for them looks at no stream of which nothing is held.
func TestTotalsLookAtNoStream(t *testing.T) {
	cache := NewLinearCache(ClusterType)
	cache.Put(NewResource(ClusterType, "a", []byte("1"), ResourceOptions{}))
	server := NewServer(cache, ServerOptions{})
	t.Cleanup(server.Shutdown)
	sent := &countingStream{}
	st := newTestStream(t, server, sent, &request{delta: true, typeURL: ClusterType, node: &corev3.Node{Id: "n"}})
	expect := func(want TypeTotals) {
		t.Helper()
		st.session.group.mu.Lock() // whoever looks at the stream waits for ever
		defer st.session.group.mu.Unlock()
		if got := server.Totals(); got.Nodes != 1 || got.Types[ClusterType] != want {
			t.Errorf("%+v, want %+v of one node", got, want)
		}
	}
	expect(TypeTotals{})
	if err := st.handle(&request{delta: true, typeURL: ClusterType}); err != nil {
		t.Fatal(err)
	}
	expect(TypeTotals{Streams: 1, OutOfSync: 1})
	if err := st.handle(&request{delta: true, typeURL: ClusterType, nonce: sent.sent[0].nonce}); err != nil {
		t.Fatal(err)
	}
	expect(TypeTotals{Streams: 1})
	st.finish()
	if got := server.Totals(); got.Nodes != 0 || len(got.Types) != 0 {
		t.Errorf("%+v when the stream has ended", got)
	}
}
