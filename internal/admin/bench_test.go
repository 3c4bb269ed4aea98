package admin

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// BenchmarkStatus requests the status of 1,000 connected proxies and 1,000 that have left.
func BenchmarkStatus(b *testing.B) {
	const many = 1000
	h, _, engine := serveAll(b, shop)
	connection := connectTo(b, engine)
	for n := range 2 * many {
		stream := subscribe(b, connection, node(b, mesh.Node{Role: mesh.Sidecar, Service: "users"}, fmt.Sprint(n)))
		if n < many {
			if err := stream.CloseSend(); err != nil {
				b.Fatal(err)
			}
		}
	}
	until(b, h, "all are in sync", func(s api.Status) bool {
		return len(s.Proxies) == 2*many && s.Summary.Proxies.InSync == many && s.Summary.Proxies.Connected == many
	})
	r := httptest.NewRequestWithContext(b.Context(), http.MethodGet, "http://127.0.0.1/v1/status", nil)
	b.ReportAllocs()
	for b.Loop() {
		w := discard{http.Header{}}
		h.ServeHTTP(w, r)
	}
}

// discard is a client that reads and discards.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// connectTo returns a connection to the engine.
func connectTo(b *testing.B, engine *xds.Server) *grpc.ClientConn {
	b.Helper()
	listener, g := bufconn.Listen(1<<20), grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(g)
	go func() { _ = g.Serve(listener) }()
	b.Cleanup(g.Stop)
	connection, err := grpc.NewClient("passthrough:bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return listener.Dial() }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = connection.Close() })
	return connection
}

// subscribe opens a stream of a proxy that requests all clusters and listeners, and acknowledges them.
func subscribe(b *testing.B, connection *grpc.ClientConn, n *xds.Node) discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient {
	b.Helper()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(connection).DeltaAggregatedResources(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	types := []string{xds.ClusterType, xds.ListenerType}
	for _, typeURL := range types {
		if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: n.Proto, TypeUrl: typeURL}); err != nil {
			b.Fatal(err)
		}
	}
	for acknowledged := map[string]bool{}; len(acknowledged) < len(types); {
		response, err := stream.Recv()
		if err != nil {
			b.Fatal(err)
		}
		acknowledged[response.TypeUrl] = true
		if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: response.TypeUrl, ResponseNonce: response.Nonce}); err != nil {
			b.Fatal(err)
		}
	}
	return stream
}
