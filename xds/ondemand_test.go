package xds_test

import (
	"slices"
	"sync/atomic"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// A client that reconnects to a server that is still reading its data keeps what it has.
func TestUnfilledLinearCache(t *testing.T) {
	cache := xds.NewLinearCacheWith(xds.ClusterType, xds.LinearCacheOptions{Unfilled: true})
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	users := resource(xds.ClusterType, "users", "1")
	s.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"*"},
		InitialResourceVersions: map[string]string{"users": users.Version(), "web": users.Version()},
	})
	cache.Put(resource(xds.ClusterType, "other", "1")) // one of many: not everything yet
	cache.Replace([]*xds.Resource{users, resource(xds.ClusterType, "new", "1")})
	s.expect(map[string]string{"new": "1"})
	s.expect(map[string]string{}, "web")
}

// The function may put the resource before it returns, which is then an ordinary first answer.
func TestOnDemandAtOnce(t *testing.T) {
	var cache *xds.LinearCache
	cache = xds.NewLinearCacheWith(xds.ClusterType, xds.LinearCacheOptions{OnDemand: func(name string) bool {
		if name == "absent" {
			return false
		}
		cache.Put(resource(xds.ClusterType, name, "made"))
		return true
	}})
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"a", "absent", "b"}})
	s.expect(map[string]string{"a": "made", "b": "made"}, "absent")
}

// A node that moves to a view which has not made its resources yet keeps those of the other view.
func TestOnDemandAfterMove(t *testing.T) {
	var moved atomic.Bool
	wanted := make(chan string, 2)
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{
		View: func(*xds.Node) string {
			if moved.Load() {
				return "new"
			}
			return "old"
		},
		OnDemand: func(view string, ref xds.Ref) bool {
			wanted <- view + " " + ref.Name
			return true
		},
	})
	cache.Publish("old", xds.NewSnapshot(resource(xds.ClusterType, "a", "1"), resource(xds.ClusterType, "b", "1")))
	cache.Publish("new", xds.NewSnapshot(resource(xds.ClusterType, "a", "2")))
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"a", "b"}})
	s.expect(map[string]string{"a": "1", "b": "1"})
	moved.Store(true)
	cache.Reassign()
	s.expect(map[string]string{"a": "2"})
	if got := <-wanted; got != "new b" {
		t.Errorf("wanted %q", got)
	}
	cache.Publish("new", cache.Snapshot("new").With([]*xds.Resource{resource(xds.ClusterType, "b", "2")}, nil))
	s.expect(map[string]string{"b": "2"})
	if got := s.last.RemovedResources; slices.Contains(got, "b") {
		t.Errorf("b was removed meanwhile: %q", got)
	}
}

// What a client has when it connects is not sent again when it turns out to exist in that version.
func TestOnDemandAfterReconnect(t *testing.T) {
	wanted := make(chan string, 3)
	cache := xds.NewLinearCacheWith(xds.ClusterType, xds.LinearCacheOptions{OnDemand: func(name string) bool {
		wanted <- name
		return true
	}})
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	same, other := resource(xds.ClusterType, "same", "1"), resource(xds.ClusterType, "other", "1")
	s.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"gone", "other", "same"},
		InitialResourceVersions: map[string]string{"gone": "v", "other": other.Version(), "same": same.Version()},
	})
	for range 3 {
		<-wanted
	}
	cache.Update([]*xds.Resource{same, resource(xds.ClusterType, "other", "2")}, []string{"gone"})
	s.expect(map[string]string{"other": "2"})
	s.expect(map[string]string{}, "gone")
	cache.Put(resource(xds.ClusterType, "same", "2"))
	s.expect(map[string]string{"same": "2"})
}
