package client

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"
)

const (
	typeA = "type.googleapis.com/test.A"
	typeB = "type.googleapis.com/test.B"

	deadline = 10 * time.Second
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDelta(t *testing.T) {
	f := start(t, Options{Known: map[string]map[string]string{typeA: {"kept": "1"}}})
	f.client.Subscribe(typeA, Wildcard)

	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{
		Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"*"},
		InitialResourceVersions: map[string]string{"kept": "1"},
	})

	f.sayDelta(&discoveryv3.DeltaDiscoveryResponse{
		TypeUrl: typeA, Nonce: "n1", SystemVersionInfo: "s1", RemovedResources: []string{"kept"},
		Resources: []*discoveryv3.Resource{{Name: "x", Version: "2", Resource: body("x2"), Ttl: durationpb.New(time.Second)}},
	})
	u := f.update()
	want := &Update{Type: typeA, Version: "s1", Removed: []string{"kept"}, Resources: []Resource{{Name: "x", Version: "2", Body: body("x2"), TTL: time.Second}}}
	if diff := cmp.Diff(want, u, protocmp.Transform(), ignoreUnexported); diff != "" {
		t.Errorf("update (-want +got):\n%s", diff)
	}
	u.Accept()
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeA, ResponseNonce: "n1"})

	f.sayDelta(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: typeA, Nonce: "n2",
		Resources: []*discoveryv3.Resource{{Name: "x", Version: "3"}, {Name: "y", Version: "1"}}})
	u = f.update()
	u.Reject(errors.New("no good"))
	u.Accept() // too late
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeA, ResponseNonce: "n2", ErrorDetail: errorDetail(errors.New("no good"))})

	f.client.Subscribe(typeB, "b1", "b2")
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeB, ResourceNamesSubscribe: []string{"b1", "b2"}})
	f.client.Unsubscribe(typeB, "b2")
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeB, ResourceNamesUnsubscribe: []string{"b2"}})

	// After an outage: all subscriptions, with what was accepted.
	f.end()
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{
		Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"*"},
		InitialResourceVersions: map[string]string{"x": "2"},
	})
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeB, ResourceNamesSubscribe: []string{"b1"}})
}

func TestDeltaForgetsWhatItNoLongerAsksFor(t *testing.T) {
	f := start(t, Options{Known: map[string]map[string]string{typeA: {"a": "1", "b": "1"}}})
	f.client.Subscribe(typeA, "a", "b")
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{
		Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"a", "b"},
		InitialResourceVersions: map[string]string{"a": "1", "b": "1"},
	})
	f.client.Unsubscribe(typeA, "b")
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeA, ResourceNamesUnsubscribe: []string{"b"}})
	f.end()
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{
		Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"a"},
		InitialResourceVersions: map[string]string{"a": "1"},
	})
}

func TestAnswerAfterItsStreamIsOver(t *testing.T) {
	f := start(t, Options{})
	f.client.Subscribe(typeA, "a")
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"a"}})
	f.sayDelta(&discoveryv3.DeltaDiscoveryResponse{TypeUrl: typeA, Nonce: "n1", Resources: []*discoveryv3.Resource{{Name: "a", Version: "1"}}})
	u := f.update()
	f.end()
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"a"}})
	u.Accept()
	f.end()
	f.expectDelta(&discoveryv3.DeltaDiscoveryRequest{
		Node: f.node, TypeUrl: typeA, ResourceNamesSubscribe: []string{"a"},
		InitialResourceVersions: map[string]string{"a": "1"},
	})
}

func TestSotW(t *testing.T) {
	ended := make(chan struct{}, 8)
	f := start(t, Options{
		Protocol: SotW,
		Name:     func(a *anypb.Any) string { return "name of " + string(a.GetValue()) },
		Connection: func(err error) {
			if err != nil {
				ended <- struct{}{}
			}
		},
	})
	node := proto.Clone(f.node).(*corev3.Node)
	node.ClientFeatures = []string{inSotW}
	f.client.Subscribe(typeA, "a")
	f.expectSotW(&discoveryv3.DiscoveryRequest{Node: node, TypeUrl: typeA, ResourceNames: []string{"a"}})

	wrapped, err := anypb.New(&discoveryv3.Resource{Name: "a", Version: "1", Resource: body("a1")})
	if err != nil {
		t.Fatal(err)
	}
	f.saySotW(&discoveryv3.DiscoveryResponse{TypeUrl: typeA, VersionInfo: "v1", Nonce: "n1", Resources: []*anypb.Any{wrapped, body("bare")}})
	u := f.update()
	want := []Resource{{Name: "a", Version: "1", Body: body("a1")}, {Name: "name of bare", Version: "v1", Body: body("bare")}}
	if diff := cmp.Diff(want, u.Resources, protocmp.Transform()); diff != "" {
		t.Errorf("resources (-want +got):\n%s", diff)
	}
	// Told while a response is not answered, a change of names goes with the answer: any request
	// with its nonce would be one.
	f.client.Subscribe(typeA, "b")
	u.Accept()
	f.expectSotW(&discoveryv3.DiscoveryRequest{TypeUrl: typeA, VersionInfo: "v1", ResponseNonce: "n1", ResourceNames: []string{"a", "b"}})

	f.saySotW(&discoveryv3.DiscoveryResponse{TypeUrl: typeA, VersionInfo: "v2", Nonce: "n2"})
	f.update().Reject(errors.New("no good"))
	f.expectSotW(&discoveryv3.DiscoveryRequest{TypeUrl: typeA, VersionInfo: "v1", ResponseNonce: "n2", ResourceNames: []string{"a", "b"}, ErrorDetail: errorDetail(errors.New("no good"))})

	f.client.Unsubscribe(typeA, "a", "b")
	f.expectSotW(&discoveryv3.DiscoveryRequest{TypeUrl: typeA, VersionInfo: "v1", ResponseNonce: "n2"})

	// Nothing is asked for on the next stream, so nothing is said until something is.
	f.end()
	<-ended // or this stream would still be told
	f.client.Subscribe(typeA, "c")
	f.expectSotW(&discoveryv3.DiscoveryRequest{Node: node, TypeUrl: typeA, VersionInfo: "v1", ResourceNames: []string{"c"}})
}

func TestBackoff(t *testing.T) {
	b := newBackoff(100*time.Millisecond, time.Second)
	for _, most := range []time.Duration{100, 200, 400, 800, 1000, 1000} {
		most *= time.Millisecond
		if d := b.next(); d < most/2 || d > most {
			t.Errorf("wait %v, want %v to %v", d, most/2, most)
		}
	}
	b.reset()
	if d := b.next(); d > 100*time.Millisecond {
		t.Errorf("after a reset: wait %v, want at most 100 ms", d)
	}
}

func TestRunEndsWithItsContext(t *testing.T) {
	lis := bufconn.Listen(1 << 10)
	lis.Close() // so that every attempt fails
	c := New(dial(t, lis), Options{Node: &corev3.Node{Id: "n"}, MinRetry: time.Millisecond, Handle: func(*Update) {}})
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error)
	go func() { ended <- c.Run(ctx) }()
	over := errors.New("over")
	cancel(over)
	if err := <-ended; err != over {
		t.Errorf("Run returned %v, want %v", err, over)
	}
}

func body(s string) *anypb.Any { return &anypb.Any{TypeUrl: typeA, Value: []byte(s)} }

var ignoreUnexported = cmp.FilterPath(func(p cmp.Path) bool {
	field, ok := p.Last().(cmp.StructField)
	return ok && strings.ToLower(field.Name()[:1]) == field.Name()[:1]
}, cmp.Ignore())

// fake is a client and the server it speaks to, whose side the test plays.
type fake struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	t       *testing.T
	node    *corev3.Node
	client  *Client
	delta   chan *discoveryv3.DeltaDiscoveryRequest
	sotw    chan *discoveryv3.DiscoveryRequest
	say     chan proto.Message // nil ends the stream
	updates chan *Update
}

func start(t *testing.T, o Options) *fake {
	f := &fake{
		t:       t,
		node:    &corev3.Node{Id: "n"},
		delta:   make(chan *discoveryv3.DeltaDiscoveryRequest),
		sotw:    make(chan *discoveryv3.DiscoveryRequest),
		say:     make(chan proto.Message),
		updates: make(chan *Update, 1),
	}
	lis := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, f)
	go server.Serve(lis)
	o.Node, o.MinRetry = f.node, time.Millisecond
	o.Handle = func(u *Update) { f.updates <- u }
	f.client = New(dial(t, lis), o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- f.client.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		server.Stop()
	})
	return f
}

func dial(t *testing.T, lis *bufconn.Listener) *grpc.ClientConn {
	conn, err := grpc.NewClient("passthrough:///fake", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (f *fake) DeltaAggregatedResources(s discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	return play(s.Context(), s.Recv, f.delta, f.say, func(m proto.Message) error { return s.Send(m.(*discoveryv3.DeltaDiscoveryResponse)) })
}

func (f *fake) StreamAggregatedResources(s discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	return play(s.Context(), s.Recv, f.sotw, f.say, func(m proto.Message) error { return s.Send(m.(*discoveryv3.DiscoveryResponse)) })
}

func play[T any](ctx context.Context, receive func() (T, error), heard chan<- T, say <-chan proto.Message, send func(proto.Message) error) error {
	go func() {
		for {
			r, err := receive()
			if err != nil {
				return
			}
			select {
			case heard <- r:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case m := <-say:
			if m == nil {
				return status.Error(codes.Unavailable, "going away")
			}
			if err := send(m); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (f *fake) expectDelta(want *discoveryv3.DeltaDiscoveryRequest) { expect(f.t, f.delta, want) }
func (f *fake) expectSotW(want *discoveryv3.DiscoveryRequest)       { expect(f.t, f.sotw, want) }

func (f *fake) sayDelta(r *discoveryv3.DeltaDiscoveryResponse) { f.say <- r }
func (f *fake) saySotW(r *discoveryv3.DiscoveryResponse)       { f.say <- r }
func (f *fake) end()                                           { f.say <- nil }

func (f *fake) update() *Update { return next(f.t, f.updates) }

func expect[T proto.Message](t *testing.T, from <-chan T, want T) {
	t.Helper()
	if diff := cmp.Diff(want, next(t, from), protocmp.Transform()); diff != "" {
		t.Fatalf("request (-want +got):\n%s", diff)
	}
}

func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(deadline):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}
