package xds_test

import (
	"context"
	"errors"
	"testing"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// A client that is withheld a removal has not acknowledged it, and its status says that it is behind.
func TestWithheldIsNotAcknowledged(t *testing.T) {
	cache := xds.NewLinearCacheWith(xds.EndpointType, xds.LinearCacheOptions{Recovering: true})
	server, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	cache.Put(resource(xds.EndpointType, "users", "some"))
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{
		TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"users", "web"},
		InitialResourceVersions: map[string]string{"users": resource(xds.EndpointType, "users", "more").Version()},
	})
	s.expect(map[string]string{}, "web") // it has come, and web was no claim
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := server.WaitAcknowledged(ctx, xds.Ref{Type: xds.EndpointType, Name: "users"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("acknowledged while withheld: %v", err)
	}
	if status := server.Status()[0].Streams[0].Types[xds.EndpointType]; status.InSync || !status.Recovering {
		t.Errorf("while withheld: %+v", status)
	}
	cache.Recovered()
	cache.Recovered() // twice is once
	s.expect(map[string]string{"users": "some"})
	if err := server.WaitAcknowledged(t.Context(), xds.Ref{Type: xds.EndpointType, Name: "users"}); err != nil {
		t.Error(err)
	}
}
