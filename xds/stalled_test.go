package xds_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// neighbour is a client on a connection of its own that reads and acknowledges everything.
type neighbour struct {
	t     *testing.T
	cache *xds.LinearCache // of clusters
	probe int
	got   chan string
}

func newNeighbour(t *testing.T, cache *xds.LinearCache, target string) *neighbour {
	t.Helper()
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	s, err := connection.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, deltaADS)
	if err != nil {
		t.Fatal(err)
	}
	first := &discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "neighbour"}, TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"probe"}}
	if err := s.SendMsg(first); err != nil {
		t.Fatal(err)
	}
	n := &neighbour{t: t, cache: cache, got: make(chan string)}
	go func() {
		for r := (&discoveryv3.DeltaDiscoveryResponse{}); s.RecvMsg(r) == nil; {
			_ = s.SendMsg(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
			for _, resource := range r.Resources {
				select {
				case n.got <- string(resource.Resource.Value):
				case <-t.Context().Done():
				}
			}
		}
	}()
	n.isServed()
	return n
}

// isServed publishes something that all clients want and waits until the neighbour has it.
func (n *neighbour) isServed() {
	n.t.Helper()
	n.probe++
	want := strconv.Itoa(n.probe)
	n.cache.Put(resource(xds.ClusterType, "probe", want))
	deadline := time.After(patience / 2) // before the streams of clients that do not read end by themselves
	for {
		select {
		case got := <-n.got:
			if got == want {
				return
			}
		case <-deadline:
			n.t.Fatal("a client that reads is not served")
		}
	}
}

// narrow returns a connection that takes no more than 64 KiB unread; otherwise gRPC takes as much as comes.
func narrow(t *testing.T, target string) *grpc.ClientConn {
	t.Helper()
	connection, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(64<<10), grpc.WithInitialConnWindowSize(64<<10))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return connection
}

// badClient is a client that does not read what it is not told to.
type badClient struct {
	t      *testing.T
	stream grpc.ClientStream
}

func newBadClient(t *testing.T, target string) *badClient {
	t.Helper()
	s, err := narrow(t, target).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, deltaADS)
	if err != nil {
		t.Fatal(err)
	}
	b := &badClient{t, s}
	b.send(&discoveryv3.DeltaDiscoveryRequest{
		Node:    &corev3.Node{Id: "bad", ClientFeatures: []string{"xds.config.supports-resource-ttl"}},
		TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"*"},
	})
	b.acknowledge()
	return b
}

func (b *badClient) send(r *discoveryv3.DeltaDiscoveryRequest) {
	b.t.Helper()
	if err := b.stream.SendMsg(r); err != nil {
		b.t.Fatal(err)
	}
}

// acknowledge reads one response and acknowledges it.
func (b *badClient) acknowledge() {
	b.t.Helper()
	r := &discoveryv3.DeltaDiscoveryResponse{}
	if err := b.stream.RecvMsg(r); err != nil {
		b.t.Fatal(err)
	}
	b.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
}

func manyNames(count int) []string {
	var names []string
	for i := range count {
		names = append(names, fmt.Sprintf("%0100d", i))
	}
	return names
}

// A client that acknowledges what it has not read holds up nobody.
func TestBlindAcknowledgements(t *testing.T) {
	cache := xds.NewLinearCache(xds.ClusterType)
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	neighbour := newNeighbour(t, cache, connection.Target())
	bad := newBadClient(t, connection.Target())
	for i := range 40 {
		cache.Put(resource(xds.ClusterType, "big", strings.Repeat(string(rune('a'+i)), 20<<10)))
		neighbour.isServed()
		for guess := range 2*i + 5 { // if nonces were counted, one of these would be right
			bad.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResponseNonce: strconv.FormatInt(int64(guess), 36)})
		}
	}
	neighbour.isServed()
}

// Nor does one for which many names do not exist.
func TestStalledOnResourceErrors(t *testing.T) {
	clusters := xds.NewLinearCache(xds.ClusterType)
	mux := xds.NewMux(xds.MuxOptions{Types: map[string]xds.Source{
		xds.EndpointType: xds.NewLinearCache(xds.EndpointType), xds.ClusterType: clusters,
	}})
	answered := make(chan struct{}, 1)
	_, connection := serve(t, mux, xds.ServerOptions{ResourceErrors: true, Callbacks: xds.Callbacks{
		Response: func(_ xds.StreamInfo, r xds.ResponseInfo) {
			if r.Type == xds.EndpointType {
				answered <- struct{}{}
			}
		},
	}}, xds.GRPCOptions()...)
	neighbour := newNeighbour(t, clusters, connection.Target())
	bad := openSotW(t, narrow(t, connection.Target()), sotwADS)
	bad.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	first := bad.receive()
	bad.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType, VersionInfo: first.VersionInfo, ResponseNonce: first.Nonce})
	bad.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: manyNames(10_000)})
	<-answered // and it is never read
	for range 3 {
		neighbour.isServed()
	}
}

// Nor does one that is sent heartbeats.
func TestStalledOnHeartbeats(t *testing.T) {
	const ttl = 200 * time.Millisecond
	clusters, runtimes := xds.NewLinearCache(xds.ClusterType), xds.NewLinearCache(xds.RuntimeType)
	var all []*xds.Resource
	names := manyNames(2000)
	for _, name := range names {
		all = append(all, xds.NewResource(xds.RuntimeType, name, []byte("x"), xds.ResourceOptions{TTL: ttl}))
	}
	runtimes.Put(all...)
	mux := xds.NewMux(xds.MuxOptions{Types: map[string]xds.Source{xds.RuntimeType: runtimes, xds.ClusterType: clusters}})
	sent := make(chan struct{}, 10)
	_, connection := serve(t, mux, xds.ServerOptions{Callbacks: xds.Callbacks{
		Response: func(_ xds.StreamInfo, r xds.ResponseInfo) {
			if r.Type == xds.RuntimeType {
				sent <- struct{}{}
			}
		},
	}}, xds.GRPCOptions()...)
	neighbour := newNeighbour(t, clusters, connection.Target())
	bad := newBadClient(t, connection.Target())
	bad.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.RuntimeType, ResourceNamesSubscribe: names})
	<-sent
	bad.acknowledge()
	<-sent // a heartbeat, which is not read
	for range 3 {
		neighbour.isServed()
	}
}

// A client that does not read loses its stream in the end.
func TestSendTimeout(t *testing.T) {
	clusters := xds.NewLinearCache(xds.ClusterType)
	mux := xds.NewMux(xds.MuxOptions{Types: map[string]xds.Source{
		xds.EndpointType: xds.NewLinearCache(xds.EndpointType), xds.ClusterType: clusters,
	}})
	sent, closed := make(chan struct{}, 10), make(chan error, 1)
	_, connection := serve(t, mux, xds.ServerOptions{
		SendTimeout: 20 * time.Millisecond,
		Callbacks: xds.Callbacks{
			Response:    func(xds.StreamInfo, xds.ResponseInfo) { sent <- struct{}{} },
			StreamClose: func(_ xds.StreamInfo, err error) { closed <- err },
		},
	}, xds.GRPCOptions()...)
	bad := newBadClient(t, connection.Target())
	<-sent
	clusters.Put(resource(xds.ClusterType, "big", strings.Repeat("x", 1<<20)))
	<-sent
	bad.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"x"}})
	select {
	case err := <-closed:
		if status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "does not read") {
			t.Errorf("stream ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("the stream of a client that does not read goes on")
	}
}
