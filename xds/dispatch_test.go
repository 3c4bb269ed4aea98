package xds

import (
	"context"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
)

// countingStream is a gRPC stream that counts what is sent on it.
type countingStream struct {
	grpc.ServerStream
	sent []*response
}

func (*countingStream) Context() context.Context { return context.Background() }

func (*countingStream) SendHeader(metadata.MD) error { return nil }

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
	handle(&request{nonce: sent.sent[2].nonce, nack: true}, 4)
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

// hookedStream is a gRPC stream that tells what is sent on it.
type hookedStream struct {
	countingStream
	send func(*response)
}

func (h *hookedStream) SendMsg(m any) error {
	h.send(m.(*response))
	return nil
}

// Changed endpoints of a few clients are sent while a round of other changes is under way: they do not wait for its
// end, nor for the time until the next one.
func TestEndpointsDoNotWaitForRounds(t *testing.T) {
	clusters, endpoints := NewLinearCache(ClusterType), NewLinearCache(EndpointType)
	server := NewServer(NewMux(MuxOptions{Types: map[string]Source{EndpointType: endpoints}, Default: clusters}), ServerOptions{})
	t.Cleanup(server.Shutdown)
	put := func(cache *LinearCache, typeURL, body string) {
		cache.Put(NewResource(typeURL, "a", []byte(body), ResourceOptions{}))
	}
	put(clusters, ClusterType, "1")
	put(endpoints, EndpointType, "1")
	arrived, round := make(chan struct{}, 10), make(chan struct{}, 10)
	open := func(id, typeURL string, send func(*response)) {
		st := newTestStream(t, server, &hookedStream{send: send}, &request{delta: true, typeURL: typeURL, node: &corev3.Node{Id: id}})
		nonce := ""
		st.grpc.(*hookedStream).send = func(r *response) { nonce = r.nonce }
		if err := st.handle(&request{delta: true, typeURL: typeURL, names: []string{"a"}}); err != nil {
			t.Fatal(err)
		}
		if err := st.handle(&request{delta: true, typeURL: typeURL, nonce: nonce}); err != nil {
			t.Fatal(err)
		}
		st.grpc.(*hookedStream).send = send
	}
	open("endpoints", EndpointType, func(*response) { arrived <- struct{}{} })
	var once sync.Once
	for _, id := range []string{"1", "2"} {
		open(id, ClusterType, func(*response) {
			once.Do(func() {
				put(endpoints, EndpointType, "2")
				select {
				case <-arrived:
				case <-time.After(10 * time.Second):
					t.Error("the endpoints wait for the end of the round")
				}
			})
			round <- struct{}{}
		})
	}
	put(clusters, ClusterType, "2")
	for range 2 {
		<-round
	}
}
