package xds_test

import (
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/xds"
)

// gate is a stream, as an interceptor wraps it, on which the first send waits to be let through.
type gate struct {
	grpc.ServerStream
	entered, open, left chan struct{}
}

func (g gate) SendMsg(m any) error {
	close(g.entered)
	<-g.open
	defer close(g.left)
	return g.ServerStream.SendMsg(m)
}

// gated is a server with one client that is just being sent something, which takes until open is
// closed; returned is closed when the handler of its stream has returned.
func gated(t *testing.T) (server *xds.Server, g gate, returned chan struct{}) {
	t.Helper()
	g = gate{entered: make(chan struct{}), open: make(chan struct{}), left: make(chan struct{})}
	returned = make(chan struct{})
	intercept := func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		defer close(returned)
		return handler(srv, gate{s, g.entered, g.open, g.left})
	}
	cache := xds.NewLinearCache(xds.ClusterType)
	server, connection := serve(t, cache, xds.ServerOptions{}, append(xds.GRPCOptions(), grpc.StreamInterceptor(intercept))...)
	openSotW(t, connection, sotwADS).send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	<-g.entered
	return server, g, returned
}

// A handler does not return while somebody else is sending on its stream.
func TestHandlerWaitsForSender(t *testing.T) {
	server, g, returned := gated(t)
	down := make(chan struct{})
	go func() { server.Shutdown(); close(down) }()
	select {
	case <-returned:
		t.Error("the handler returned in the middle of a send")
	case <-time.After(50 * time.Millisecond):
	}
	close(g.open)
	<-g.left
	<-returned
	<-down
}

// A client that does not read does not keep a server from going away.
func TestHandlerDoesNotWaitForEver(t *testing.T) {
	server, g, returned := gated(t)
	server.Shutdown()
	select {
	case <-returned:
	case <-time.After(patience):
		t.Error("the handler did not return")
	}
	close(g.open)
	<-g.left
}

// The same with gRPC's own flow control: the second large response waits for the client.
func TestShutdownWhileClientDoesNotRead(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", large), resource(xds.ListenerType, "a", large)))
	sending := make(chan string, 10)
	server, connection := serve(t, cache, xds.ServerOptions{Callbacks: xds.Callbacks{
		Response: func(_ xds.StreamInfo, r xds.ResponseInfo) { sending <- r.Type },
	}}, xds.GRPCOptions()...)
	s := openSotW(t, connection, sotwADS)
	s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ListenerType})
	<-sending
	<-sending
	down := make(chan struct{})
	go func() { server.Shutdown(); close(down) }()
	select {
	case <-down:
	case <-time.After(patience):
		t.Error("a client that does not read keeps the server from going away")
	}
}

// A View that is slow for one node, with several streams, keeps no other node out.
func TestSlowViewOfOneNode(t *testing.T) {
	entered, slow := make(chan struct{}, 1), make(chan struct{})
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(n *xds.Node) string {
		if n.ID == "slow" {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-slow
		}
		return "v"
	}})
	cache.Publish("v", xds.NewSnapshot())
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	t.Cleanup(func() { close(slow) })
	ask := func(node string) *sotwStream {
		s := openSotW(t, connection, sotwADS)
		if err := s.stream.SendMsg(&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: node}, TypeUrl: xds.ClusterType}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	ask("slow")
	<-entered
	ask("slow") // waits for the lock of the node's group
	for range 20 {
		ask("another").receive()
	}
}
