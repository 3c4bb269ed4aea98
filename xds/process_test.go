package xds_test

import (
	"context"
	"slices"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
)

// TestTwoProcessesWithOneNodeID copies an image: of two clients with one node ID, each on a connection of its own, one
// hangs. The other does not wait for it, and the status shows two processes.
func TestTwoProcessesWithOneNodeID(t *testing.T) {
	const (
		cluster = xds.ClusterType
		route   = xds.RouteType
	)
	routed := func(body, to string) *xds.Resource {
		return xds.NewResource(route, "r", []byte(body), xds.ResourceOptions{References: []xds.Ref{{Type: cluster, Name: to}}})
	}
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot(resource(cluster, "a", "1"), routed("1", "a")))
	server, first := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	second, err := grpc.NewClient(first.Target(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { second.Close() })
	exchange := func(s *deltaStream) []string { // reads a response and acknowledges it
		var m discoveryv3.DeltaDiscoveryResponse
		if err := s.stream.RecvMsg(&m); err != nil {
			t.Fatal(err)
		}
		s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: m.TypeUrl, ResponseNonce: m.Nonce})
		return m.RemovedResources
	}
	start := func(s *deltaStream) {
		for _, r := range []*discoveryv3.DeltaDiscoveryRequest{
			{TypeUrl: cluster}, {TypeUrl: route, ResourceNamesSubscribe: []string{"r"}},
		} {
			s.send(r)
			exchange(s)
		}
	}
	const method = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	hangs, lives := openDelta(t, first, method), openDelta(t, second, method)
	start(hangs)
	start(lives)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, ref := range []xds.Ref{{Type: cluster, Name: "a"}, {Type: route, Name: "r"}} {
		if err := server.WaitAcknowledged(ctx, ref); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.NodeStatus("n").Processes(); n != 2 {
		t.Errorf("the status shows %d processes, not 2", n)
	}

	cache.Publish("n", xds.NewSnapshot(resource(cluster, "b", "1"), routed("2", "b")))
	// The cluster and the route come, and then the removal.
	for removed := []string(nil); !slices.Contains(removed, "a"); {
		removed = exchange(lives)
	}
}
