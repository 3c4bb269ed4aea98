package xds_test

import (
	"context"
	"net"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that should happen at once.
const patience = 10 * time.Second

// serve runs a server over loopback for the length of the test and returns a connection to it.
func serve(t *testing.T, source xds.Source, o xds.ServerOptions, options ...grpc.ServerOption) (*xds.Server, *grpc.ClientConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := xds.NewServer(source, o)
	g := grpc.NewServer(options...)
	server.Register(g)
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	t.Cleanup(func() {
		server.Shutdown()
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	connection, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return server, connection
}

// deltaStream is a delta client that acknowledges by hand.
type deltaStream struct {
	t      *testing.T
	stream grpc.ClientStream
	last   *discoveryv3.DeltaDiscoveryResponse
}

func openDelta(t *testing.T, c *grpc.ClientConn, method string) *deltaStream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	s, err := c.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	return &deltaStream{t: t, stream: s}
}

func (s *deltaStream) send(r *discoveryv3.DeltaDiscoveryRequest) {
	s.t.Helper()
	r.Node = &corev3.Node{Id: "n"}
	if err := s.stream.SendMsg(r); err != nil {
		s.t.Fatal(err)
	}
}

// expect reads a response, acknowledges it, and compares the names and bodies in it.
func (s *deltaStream) expect(want map[string]string, removed ...string) {
	s.t.Helper()
	s.last = &discoveryv3.DeltaDiscoveryResponse{}
	if err := s.stream.RecvMsg(s.last); err != nil {
		s.t.Fatal(err)
	}
	got := map[string]string{}
	for _, r := range s.last.Resources {
		got[r.Name] = string(r.Resource.GetValue())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("resources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(removed, s.last.RemovedResources); diff != "" {
		s.t.Errorf("removed (-want +got):\n%s", diff)
	}
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: s.last.TypeUrl, ResponseNonce: s.last.Nonce})
}

const (
	deltaADS = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	sotwADS  = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
)

func resource(typeURL, name, body string, references ...xds.Ref) *xds.Resource {
	return xds.NewResource(typeURL, name, []byte(body), xds.ResourceOptions{References: references})
}

func TestDeltaOverADS(t *testing.T) {
	for name, options := range map[string][]grpc.ServerOption{"with the codec": xds.GRPCOptions(), "without": nil} {
		t.Run(name, func(t *testing.T) {
			clusters := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
			endpoints := xds.NewLinearCache(xds.EndpointType)
			mux := xds.NewMux(xds.MuxOptions{Types: map[string]xds.Source{xds.EndpointType: endpoints}, Default: clusters})
			endpoints.Put(resource(xds.EndpointType, "a", "1"))
			clusters.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "x"), resource(xds.ClusterType, "b", "y")))
			_, connection := serve(t, mux, xds.ServerOptions{Identifier: "me"}, options...)

			s := openDelta(t, connection, deltaADS)
			s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType})
			s.expect(map[string]string{"a": "x", "b": "y"})
			if got := s.last.ControlPlane.GetIdentifier(); got != "me" {
				t.Errorf("control plane is %q", got)
			}
			s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"a", "b"}})
			s.expect(map[string]string{"a": "1"}, "b")
			endpoints.Put(resource(xds.EndpointType, "b", "2"))
			s.expect(map[string]string{"b": "2"})
			clusters.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "z")))
			s.expect(map[string]string{"a": "z"}, "b")
		})
	}
}
