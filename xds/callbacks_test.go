package xds_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/xds"
)

// What callbacks are told of a conversation, also of the ACK that repeats all names, which is not
// read again.
func TestCallbacksNames(t *testing.T) {
	told := make(chan string, 100)
	list := func(n xds.Names) string {
		all := slices.Collect(n.All())
		for range n.All() {
			break // who has seen enough stops
		}
		if len(all) != n.Len() {
			t.Errorf("%d names, said to be %d", len(all), n.Len())
		}
		return fmt.Sprint(all)
	}
	callbacks := xds.Callbacks{
		Request: func(_ xds.StreamInfo, r xds.RequestInfo) error {
			told <- fmt.Sprintf("asked %s, not %s", list(r.Names), list(r.Unsubscribed))
			return nil
		},
		Response: func(_ xds.StreamInfo, r xds.ResponseInfo) {
			told <- fmt.Sprintf("sent %s, not %s", list(r.Resources), list(r.Removed))
		},
	}
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	a, b := resource(xds.EndpointType, "a", "1"), resource(xds.EndpointType, "b", "1")
	cache.Publish("n", xds.NewSnapshot(a, b, resource(xds.ClusterType, "c", "1")))
	_, connection := serve(t, cache, xds.ServerOptions{Callbacks: callbacks}, xds.GRPCOptions()...)
	expect := func(want ...string) {
		t.Helper()
		for _, line := range want {
			select {
			case got := <-told:
				if diff := cmp.Diff(line, got); diff != "" {
					t.Errorf("told (-want +got):\n%s", diff)
				}
			case <-time.After(patience):
				t.Fatalf("not told: %s", line)
			}
		}
	}

	s := openSotW(t, connection, sotwADS)
	request := &discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: []string{"b", "a"}}
	s.send(request)
	expect("asked [b a], not []", "sent [a b], not []")
	request.ResponseNonce = s.receive().Nonce
	s.send(request)
	expect("asked [a b], not []")

	clusters := &discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNames: []string{"x", "*"}}
	s.send(clusters)
	expect("asked [x *], not []", "sent [c], not []")
	clusters.ResponseNonce = s.receive().Nonce
	s.send(clusters)
	expect("asked [* x], not []")

	d := openDelta(t, connection, deltaADS)
	d.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"b", "a", "none"}})
	expect("asked [b a none], not []", "sent [a b], not [none]")
	d.expect(map[string]string{"a": "1", "b": "1"}, "none")
	d.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesUnsubscribe: []string{"none"}})
	expect("asked [], not []", "asked [], not [none]")
	cache.Publish("n", xds.NewSnapshot(b, resource(xds.ClusterType, "c", "1")))
	expect("sent [], not [a]")
}
