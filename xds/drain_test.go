package xds_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// connect opens a stream of a node that has been sent all clusters there are.
func connect(t *testing.T, c *grpc.ClientConn, node string) *sotwStream {
	t.Helper()
	s := openSotW(t, c, sotwADS)
	if err := s.stream.SendMsg(&discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: node}, TypeUrl: xds.ClusterType}); err != nil {
		t.Fatal(err)
	}
	s.receive()
	return s
}

func TestDrain(t *testing.T) {
	const over = 200 * time.Millisecond
	var mu sync.Mutex
	var ended []time.Time
	server, connection := serve(t, xds.NewLinearCache(xds.ClusterType), xds.ServerOptions{Callbacks: xds.Callbacks{
		StreamClose: func(xds.StreamInfo, error) {
			mu.Lock()
			defer mu.Unlock()
			ended = append(ended, time.Now())
		},
	}}, xds.GRPCOptions()...)
	var all []*sotwStream
	for range 4 {
		all = append(all, connect(t, connection, "n"))
	}
	if err := server.Drain(t.Context(), over); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		if code := s.ends(); code != codes.Unavailable {
			t.Errorf("a drained stream ends with %v", code)
		}
	}
	if code := openSotW(t, connection, sotwADS).ends(); code != codes.Unavailable {
		t.Errorf("a new stream ends with %v", code)
	}
	server.Shutdown()
	mu.Lock()
	defer mu.Unlock()
	slices.SortFunc(ended, time.Time.Compare)
	if spread := ended[3].Sub(ended[0]); spread < over/2 {
		t.Errorf("all streams ended within %v", spread)
	}
}

func TestDrainIsCancelled(t *testing.T) {
	server, connection := serve(t, xds.NewLinearCache(xds.ClusterType), xds.ServerOptions{}, xds.GRPCOptions()...)
	connect(t, connection, "a")
	connect(t, connection, "b")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := server.Drain(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("drained with %v", err)
	}
}

func TestDisconnect(t *testing.T) {
	server, connection := serve(t, xds.NewLinearCache(xds.ClusterType), xds.ServerOptions{}, xds.GRPCOptions()...)
	a, b := connect(t, connection, "a"), connect(t, connection, "b")
	is := func(node string) func(xds.StreamInfo) bool {
		return func(s xds.StreamInfo) bool { return s.Node.ID == node }
	}
	if ended := server.Disconnect(is("a"), status.Error(codes.PermissionDenied, "revoked")); ended != 1 {
		t.Errorf("%d streams ended", ended)
	}
	if code := a.ends(); code != codes.PermissionDenied {
		t.Errorf("stream ends with %v", code)
	}
	if ended := server.Disconnect(is("b"), nil); ended != 1 {
		t.Errorf("%d streams ended", ended)
	}
	if code := b.ends(); code != codes.Unavailable {
		t.Errorf("stream ends with %v", code)
	}
}

// A view may depend on who the client has shown to be, and on where it comes from.
func TestViewSeesIdentity(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(n *xds.Node) string {
		if n.Peer == "" {
			return "from nowhere"
		}
		return n.Identity.(string)
	}})
	cache.Publish("identity of n", xds.NewSnapshot(resource(xds.ClusterType, "a", "1")))
	_, connection := serve(t, cache, xds.ServerOptions{
		Authenticate: func(_ context.Context, n *xds.Node) (any, error) { return "identity of " + n.ID, nil },
	}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType})
	s.expect(map[string]string{"a": "1"})
}
