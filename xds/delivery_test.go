package xds_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	_ "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3" // the JSON form of what is fetched
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// methods are the RPCs of the services of one type (C002).
var methods = []struct{ service, sotw, delta, typeURL string }{
	{"cluster.v3.ClusterDiscoveryService", "StreamClusters", "DeltaClusters", xds.ClusterType},
	{"endpoint.v3.EndpointDiscoveryService", "StreamEndpoints", "DeltaEndpoints", xds.EndpointType},
	{"listener.v3.ListenerDiscoveryService", "StreamListeners", "DeltaListeners", xds.ListenerType},
	{"route.v3.RouteDiscoveryService", "StreamRoutes", "DeltaRoutes", xds.RouteType},
	{"route.v3.ScopedRoutesDiscoveryService", "StreamScopedRoutes", "DeltaScopedRoutes", xds.ScopedRouteType},
	{"route.v3.VirtualHostDiscoveryService", "", "DeltaVirtualHosts", xds.VirtualHostType},
	{"secret.v3.SecretDiscoveryService", "StreamSecrets", "DeltaSecrets", xds.SecretType},
	{"runtime.v3.RuntimeDiscoveryService", "StreamRuntime", "DeltaRuntime", xds.RuntimeType},
	{"extension.v3.ExtensionConfigDiscoveryService", "StreamExtensionConfigs", "DeltaExtensionConfigs", xds.ExtensionConfigType},
}

func TestEveryServiceDelivers(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	var all []*xds.Resource
	for _, m := range methods {
		all = append(all, resource(m.typeURL, "one", "body of "+m.typeURL))
	}
	cache.Publish("n", xds.NewSnapshot(all...))
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	for _, m := range methods {
		want := "body of " + m.typeURL
		t.Run("delta "+m.service, func(t *testing.T) {
			s := openDelta(t, connection, "/envoy.service."+m.service+"/"+m.delta)
			s.send(&discoveryv3.DeltaDiscoveryRequest{ResourceNamesSubscribe: []string{"one"}})
			s.expect(map[string]string{"one": want})
			if s.last.TypeUrl != m.typeURL {
				t.Errorf("type is %q", s.last.TypeUrl)
			}
		})
		if m.sotw == "" {
			continue
		}
		t.Run("sotw "+m.service, func(t *testing.T) {
			s := openSotW(t, connection, "/envoy.service."+m.service+"/"+m.sotw)
			s.send(&discoveryv3.DiscoveryRequest{ResourceNames: []string{"one"}})
			got := s.receive()
			if len(got.Resources) != 1 || string(got.Resources[0].Value) != want || got.TypeUrl != m.typeURL {
				t.Errorf("got %v", got)
			}
		})
	}
}

// sotwStream is a state-of-the-world client.
type sotwStream struct {
	t      *testing.T
	stream grpc.ClientStream
}

func openSotW(t *testing.T, c *grpc.ClientConn, method string) *sotwStream {
	t.Helper()
	return &sotwStream{t, openDelta(t, c, method).stream}
}

func (s *sotwStream) send(r *discoveryv3.DiscoveryRequest) {
	s.t.Helper()
	r.Node = &corev3.Node{Id: "n"}
	if err := s.stream.SendMsg(r); err != nil {
		s.t.Fatal(err)
	}
}

func (s *sotwStream) receive() *discoveryv3.DiscoveryResponse {
	s.t.Helper()
	var r discoveryv3.DiscoveryResponse
	if err := s.stream.RecvMsg(&r); err != nil {
		s.t.Fatal(err)
	}
	return &r
}

// ends waits for the end of the stream and returns its status.
func (s *sotwStream) ends() codes.Code {
	for {
		if err := s.stream.RecvMsg(&discoveryv3.DiscoveryResponse{}); err != nil {
			return status.Code(err)
		}
	}
}

func TestRefusals(t *testing.T) {
	refuse := status.Error(codes.PermissionDenied, "who are you")
	for name, test := range map[string]struct {
		options xds.ServerOptions
		request *discoveryv3.DiscoveryRequest
		want    codes.Code
	}{
		"C004: no type on the aggregated service": {want: codes.InvalidArgument, request: &discoveryv3.DiscoveryRequest{}},
		"authentication": {
			options: xds.ServerOptions{Authenticate: func(context.Context, *xds.Node) (any, error) { return nil, refuse }},
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType}, want: codes.PermissionDenied,
		},
		"callback on open": {
			options: xds.ServerOptions{Callbacks: xds.Callbacks{StreamOpen: func(context.Context, xds.StreamInfo) error { return refuse }}},
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType}, want: codes.PermissionDenied,
		},
		"callback on a request": {
			options: xds.ServerOptions{Callbacks: xds.Callbacks{Request: func(xds.StreamInfo, xds.RequestInfo) error { return refuse }}},
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType}, want: codes.PermissionDenied,
		},
		"too many names": {
			options: xds.ServerOptions{MaxSubscriptions: 2},
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: []string{"a", "b", "c"}}, want: codes.ResourceExhausted,
		},
		"too large": {
			options: xds.ServerOptions{MaxMessageSize: 100},
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: []string{strings.Repeat("x", 100)}}, want: codes.ResourceExhausted,
		},
		"age, after a response": {
			options: xds.ServerOptions{MaxStreamAge: 200 * time.Millisecond}, // counted from before the request
			request: &discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType}, want: codes.Unavailable,
		},
	} {
		t.Run(name, func(t *testing.T) {
			cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
			cache.Publish("n", xds.NewSnapshot())
			_, connection := serve(t, cache, test.options, xds.GRPCOptions()...)
			s := openSotW(t, connection, sotwADS)
			s.send(test.request)
			if got := s.ends(); got != test.want {
				t.Errorf("stream ended with %v, want %v", got, test.want)
			}
		})
	}
}

func TestStreamsPerPeer(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot())
	_, connection := serve(t, cache, xds.ServerOptions{MaxStreamsPerPeer: 1}, xds.GRPCOptions()...)
	first := openSotW(t, connection, sotwADS)
	first.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	first.receive()
	second := openSotW(t, connection, sotwADS) // refused before it asks for anything
	if got := second.ends(); got != codes.ResourceExhausted {
		t.Errorf("stream ended with %v", got)
	}
}

func TestShutdownEndsStreamsThatSaidNothing(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot())
	server, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	silent, talking := openSotW(t, connection, sotwADS), openSotW(t, connection, sotwADS)
	talking.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	talking.receive()
	server.Shutdown()
	for _, s := range []*sotwStream{silent, talking} {
		if got := s.ends(); got != codes.Unavailable {
			t.Errorf("stream ended with %v", got)
		}
	}
}

func TestStatusAndWait(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "1")))
	rejected := make(chan xds.Rejection, 1)
	server, connection := serve(t, cache, xds.ServerOptions{Callbacks: xds.Callbacks{
		Rejected: func(_ xds.StreamInfo, r xds.Rejection) { rejected <- r },
	}}, xds.GRPCOptions()...)
	if n := server.NodeStatus("n"); len(n.Streams) != 0 {
		t.Errorf("an unknown node has %d streams", len(n.Streams))
	}
	s := openSotW(t, connection, sotwADS)
	s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType})
	first := s.receive()

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	impatient, stop := context.WithTimeout(ctx, 20*time.Millisecond)
	defer stop()
	ref := xds.Ref{Type: xds.ClusterType, Name: "a"}
	if err := server.WaitAcknowledged(impatient, ref); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting without an ACK: %v", err)
	}
	s.send(&discoveryv3.DiscoveryRequest{TypeUrl: xds.ClusterType, VersionInfo: first.VersionInfo, ResponseNonce: first.Nonce})
	if err := server.WaitAcknowledged(ctx, ref); err != nil {
		t.Error(err)
	}
	got := server.NodeStatus("n").Streams[0]
	if c := got.Types[xds.ClusterType]; got.Method != "sotw-ads" || !c.InSync || c.Sent != first.VersionInfo || c.Acknowledged != first.VersionInfo {
		t.Errorf("status is %+v", got)
	}

	cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "2")))
	second := s.receive()
	s.send(&discoveryv3.DiscoveryRequest{
		TypeUrl: xds.ClusterType, VersionInfo: first.VersionInfo, ResponseNonce: second.Nonce,
		ErrorDetail: status.New(codes.InvalidArgument, "a is bad").Proto(),
	})
	if r := <-rejected; r.Message != "a is bad" || r.Version != second.VersionInfo {
		t.Errorf("rejection is %+v", r)
	}
	if err := server.WaitAcknowledged(ctx, ref); err != nil {
		t.Error(err)
	}
	if c := server.Status()[0].Streams[0].Types[xds.ClusterType]; c.InSync || c.Rejected == nil || c.Acknowledged != first.VersionInfo {
		t.Errorf("status is %+v", c)
	}
	expectTotals(t, server, xds.Totals{Nodes: 1, Types: map[string]xds.TypeTotals{
		xds.ClusterType: {Streams: 1, OutOfSync: 1, Rejected: 1},
	}})
}

func TestLargeDeltaResponsesAreSplit(t *testing.T) {
	cache := xds.NewLinearCache(xds.EndpointType)
	names := []string{"a", "b", "c", "d", "e"}
	for _, name := range names {
		cache.Put(resource(xds.EndpointType, name, strings.Repeat(name, 1<<20)))
	}
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	for range 2 { // as new, and as asked for again
		s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: names})
		for _, part := range [][]string{{"a", "b"}, {"c", "d"}, {"e"}} {
			want := map[string]string{}
			for _, name := range part {
				want[name] = strings.Repeat(name, 1<<20)
			}
			s.expect(want)
		}
	}
}

// What does not exist takes up room, too.
func TestLargeAnswersForMissingNamesAreSplit(t *testing.T) {
	missing := make([]string, 400)
	for i := range missing {
		missing[i] = fmt.Sprintf("%08d", i) + strings.Repeat("x", 8000)
	}
	for _, errors := range []bool{false, true} {
		_, connection := serve(t, xds.NewLinearCache(xds.EndpointType), xds.ServerOptions{ResourceErrors: errors}, xds.GRPCOptions()...)
		t.Run(fmt.Sprintf("delta, errors %t", errors), func(t *testing.T) {
			s := openDelta(t, connection, deltaADS)
			s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: missing})
			removed, failed := []string{}, []string{}
			for len(removed) < len(missing) {
				r := &discoveryv3.DeltaDiscoveryResponse{}
				if err := s.stream.RecvMsg(r); err != nil {
					t.Fatal(err)
				}
				checkSize(t, r)
				removed, failed = append(removed, r.RemovedResources...), append(failed, failedNames(r.ResourceErrors)...)
				s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce})
			}
			if !slices.Equal(removed, missing) {
				t.Errorf("%d other names were removed", len(removed))
			}
			if errors && !slices.Equal(failed, missing) {
				t.Errorf("%d of %d missing names have an error", len(failed), len(missing))
			}
		})
		if !errors {
			continue
		}
		t.Run("state of the world", func(t *testing.T) {
			s := openSotW(t, connection, sotwADS)
			request := &discoveryv3.DiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNames: missing}
			s.send(request)
			var failed []string
			for len(failed) < len(missing) {
				r := s.receive()
				checkSize(t, r)
				failed = append(failed, failedNames(r.ResourceErrors)...)
				request.VersionInfo, request.ResponseNonce = r.VersionInfo, r.Nonce
				s.send(request)
			}
			if !slices.Equal(failed, missing) {
				t.Error("other names have an error")
			}
		})
	}
}

func checkSize(t *testing.T, m proto.Message) {
	t.Helper()
	if size := proto.Size(m); size > 3<<20 {
		t.Errorf("a response has %d bytes", size)
	}
}

func failedNames(all []*discoveryv3.ResourceError) []string {
	var names []string
	for _, e := range all {
		names = append(names, e.GetResourceName().GetName())
	}
	return names
}

func TestNodesThatMove(t *testing.T) {
	view := "blue"
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(*xds.Node) string { return view }})
	same := resource(xds.ClusterType, "same", "1")
	cache.Publish("blue", xds.NewSnapshot(same, resource(xds.ClusterType, "old", "1")))
	cache.Publish("green", xds.NewSnapshot(same, resource(xds.ClusterType, "new", "1")))
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType})
	s.expect(map[string]string{"same": "1", "old": "1"})
	view = "green"
	cache.Reassign()
	s.expect(map[string]string{"new": "1"}, "old")
}

func TestFetch(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot(xds.NewResource(xds.ClusterType, "a", nil, xds.ResourceOptions{})))
	server := xds.NewServer(cache, xds.ServerOptions{})
	defer server.Shutdown()
	post := func(path, text string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		server.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodPost, path, strings.NewReader(text)))
		return w
	}
	got := post("/v3/discovery:clusters", `{"node":{"id":"n"}}`)
	if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), xds.ClusterType) {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	version := strings.Split(strings.Split(got.Body.String(), `"versionInfo":`)[1], `"`)[1]
	for _, test := range []struct {
		path, text string
		want       int
	}{
		{"/v3/discovery:clusters", `{"node":{"id":"n"},"version_info":"` + version + `"}`, http.StatusNotModified},
		{"/v3/discovery:clusters", `{"node":{"id":"nobody"}}`, http.StatusServiceUnavailable},
		{"/v3/discovery:clusters", `{`, http.StatusBadRequest},
		{"/v3/discovery:nonsense", `{}`, http.StatusNotFound},
	} {
		if got := post(test.path, test.text); got.Code != test.want {
			t.Errorf("%s %s: %d, want %d", test.path, test.text, got.Code, test.want)
		}
	}
}
