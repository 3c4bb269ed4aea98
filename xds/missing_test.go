package xds_test

import (
	"slices"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// A name that does not exist, such as a mistyped one, can be seen, and its client is not in sync.
func TestMissingNamesAreShown(t *testing.T) {
	cache := xds.NewLinearCache(xds.EndpointType)
	cache.Put(resource(xds.EndpointType, "users", "1"))
	server, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"users", "usres"}})
	s.expect(map[string]string{"users": "1"}, "usres")
	status := func() xds.TypeStatus { return server.NodeStatus("n").Streams[0].Types[xds.EndpointType] }
	for deadline := time.Now().Add(patience); status().AcknowledgedAt.IsZero(); {
		if time.Now().After(deadline) {
			t.Fatal("not acknowledged")
		}
	}
	if got := status(); got.InSync || !slices.Equal(got.Missing, []string{"usres"}) {
		t.Errorf("status is %+v", got)
	}
	for of := range server.Resources(nil) {
		all := of.Types[xds.EndpointType]
		if len(all) != 2 || all[0].State != xds.Accepted || all[1].Name != "usres" || all[1].State != xds.Missing {
			t.Errorf("resources are %+v", all)
		}
	}
	cache.Put(resource(xds.EndpointType, "usres", "1"))
	s.expect(map[string]string{"usres": "1"})
	for deadline := time.Now().Add(patience); !status().InSync; {
		if time.Now().After(deadline) {
			t.Fatalf("status is %+v", status())
		}
	}
}
