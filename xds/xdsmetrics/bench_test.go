package xdsmetrics_test

import (
	"context"
	"fmt"
	"net"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdsmetrics"
)

// BenchmarkStatus collects the metrics of a server with 1,000 streams of two types each.
func BenchmarkStatus(b *testing.B) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(*xds.Node) string { return "all" }})
	cache.Publish("all", xds.NewSnapshot(
		xds.NewResource(xds.ClusterType, "a", nil, xds.ResourceOptions{}), xds.NewResource(xds.ListenerType, "a", nil, xds.ResourceOptions{}),
	))
	server := xds.NewServer(cache, xds.ServerOptions{})
	b.Cleanup(server.Shutdown)
	listener, g := bufconn.Listen(1<<20), grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g)
	go func() { _ = g.Serve(listener) }()
	b.Cleanup(g.Stop)
	connection, err := grpc.NewClient("passthrough:bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = connection.Close() })
	for n := range 1000 {
		stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(connection).DeltaAggregatedResources(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		for _, typeURL := range []string{xds.ClusterType, xds.ListenerType} {
			if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: fmt.Sprint(n)}, TypeUrl: typeURL}); err != nil {
				b.Fatal(err)
			}
			if _, err := stream.Recv(); err != nil {
				b.Fatal(err)
			}
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(xdsmetrics.Status(server))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := registry.Gather(); err != nil {
			b.Fatal(err)
		}
	}
}
