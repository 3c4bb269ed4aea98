package xds_test

import (
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// What a returning client may still have is no part of the version that it is told: equal resources have equal
// versions, or the next server would not recognize them.
func TestVersionIsOfResourcesAlone(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	users := xds.Ref{Type: xds.EndpointType, Name: "users"}
	cache.Publish("n", xds.NewSnapshot(
		xds.NewResource(xds.ClusterType, "users", nil, xds.ResourceOptions{References: []xds.Ref{users}}),
		resource(xds.EndpointType, "users", "some"),
	))
	// told is the version that a client hears which has claimed versions of all that it asks for.
	told := func(claimed string) string {
		t.Helper()
		s := openSotW(t, connection, sotwADS)
		s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNames: []string{"users"}, VersionInfo: claimed})
		s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: []string{"users"}, VersionInfo: claimed})
		for {
			if r := s.receive(); r.TypeUrl == xds.EndpointType {
				return r.VersionInfo
			}
		}
	}
	if fresh, returning := told(""), told("earlier"); fresh != returning {
		t.Errorf("a new client is told version %q, and a returning one %q of the same endpoints", fresh, returning)
	}
}
