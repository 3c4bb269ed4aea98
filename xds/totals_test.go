package xds_test

import (
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/xds"
)

// expectTotals wants the server's totals, but for the time since when changes are held. They are the sums of its status.
func expectTotals(t *testing.T, server *xds.Server, want xds.Totals) {
	t.Helper()
	got, sums := server.Totals(), totalsOf(server.Status())
	if diff := cmp.Diff(sums, got); diff != "" {
		t.Errorf("totals (-sums of the status +totals):\n%s", diff)
	}
	for typeURL, totals := range got.Types {
		totals.HeldSince = time.Time{}
		got.Types[typeURL] = totals
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func totalsOf(nodes []xds.NodeStatus) xds.Totals {
	totals := xds.Totals{Nodes: len(nodes), Types: map[string]xds.TypeTotals{}}
	for _, node := range nodes {
		for _, stream := range node.Streams {
			for typeURL, status := range stream.Types {
				sum := totals.Types[typeURL]
				sum.Streams++
				if !status.InSync {
					sum.OutOfSync++
				}
				if status.Rejected != nil {
					sum.Rejected++
				}
				for _, h := range status.Held {
					if sum.Held++; sum.HeldSince.IsZero() || h.Since.Before(sum.HeldSince) {
						sum.HeldSince = h.Since
					}
				}
				totals.Types[typeURL] = sum
			}
		}
	}
	return totals
}

// The totals count the streams, those that are behind, and the changes that are held for them.
func TestTotals(t *testing.T) {
	cache := xds.NewLinearCacheWith(xds.EndpointType, xds.LinearCacheOptions{Recovering: true})
	server, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	expectTotals(t, server, xds.Totals{Types: map[string]xds.TypeTotals{}})
	cache.Put(resource(xds.EndpointType, "users", "some"))
	withheld, behind := openDelta(t, connection, deltaADS), openDelta(t, connection, deltaADS)
	withheld.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"users", "web"},
		InitialResourceVersions: map[string]string{"users": resource(xds.EndpointType, "users", "more").Version()},
	})
	withheld.expect(map[string]string{}, "web")
	behind.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"users"}})
	if err := behind.stream.RecvMsg(&discoveryv3.DeltaDiscoveryResponse{}); err != nil { // and does not acknowledge it
		t.Fatal(err)
	}
	expectTotals(t, server, xds.Totals{Nodes: 1, Types: map[string]xds.TypeTotals{
		xds.EndpointType: {Streams: 2, OutOfSync: 2, Held: 1},
	}})
}
