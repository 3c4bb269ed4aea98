package xds_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// wireCodec sends bytes as they are.
type wireCodec struct{}

func (wireCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (wireCodec) Unmarshal(b []byte, v any) error { return proto.Unmarshal(b, v.(proto.Message)) }
func (wireCodec) Name() string                    { return "proto" }

// openWire opens a stream on which the client sends bytes of its own.
func openWire(t *testing.T, c *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	s, err := c.NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method, grpc.ForceCodec(wireCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sizing is a stream as interceptors that count bytes wrap it: they look at every message.
type sizing struct{ grpc.ServerStream }

func (s sizing) SendMsg(m any) error {
	proto.Size(m.(proto.Message))
	return s.ServerStream.SendMsg(m)
}

func sizeAll(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	return handler(srv, sizing{s})
}

// A request with a string that is not UTF-8 ends its stream, and nothing else.
func TestRequestsAreText(t *testing.T) {
	const bad = "\xff"
	field := func(number protowire.Number, value string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	typeURL := func(delta bool) []byte {
		if delta {
			return field(2, xds.ClusterType)
		}
		return field(4, xds.ClusterType)
	}
	cache := xds.NewLinearCache(xds.ClusterType)
	_, connection := serve(t, cache, xds.ServerOptions{ResourceErrors: true}, append(xds.GRPCOptions(), grpc.StreamInterceptor(sizeAll))...)
	for name, test := range map[string]struct {
		method string
		wire   []byte
	}{
		"delta name":              {deltaADS, append(typeURL(true), field(3, bad)...)},
		"delta unsubscribed name": {deltaADS, append(typeURL(true), field(4, bad)...)},
		"delta claimed name":      {deltaADS, append(typeURL(true), field(5, string(field(1, bad)))...)},
		"delta type":              {deltaADS, field(2, bad)},
		"delta nonce":             {deltaADS, append(typeURL(true), field(6, bad)...)},
		"delta node":              {deltaADS, append(typeURL(true), field(1, string(field(1, bad)))...)},
		"name":                    {sotwADS, append(typeURL(false), field(3, bad)...)},
		"type":                    {sotwADS, field(4, bad)},
		"nonce":                   {sotwADS, append(typeURL(false), field(5, bad)...)},
		"version":                 {sotwADS, append(typeURL(false), field(1, bad)...)},
		"large node":              {sotwADS, append(typeURL(false), field(2, string(field(1, strings.Repeat("n", 600<<10))))...)},
		"truncated":               {sotwADS, []byte{0x0a, 0x7f}},
	} {
		t.Run(name, func(t *testing.T) {
			s := openWire(t, connection, test.method)
			if err := s.SendMsg(test.wire); err != nil {
				t.Fatal(err)
			}
			if err := s.RecvMsg(&discoveryv3.DiscoveryResponse{}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("stream ends with %v", err)
			}
		})
	}
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.ClusterType, ResourceNamesSubscribe: []string{"a"}})
	s.expect(map[string]string{}, "a")
}

// A NACK is shown even if its message quotes bytes that are not text.
func TestRejectionThatIsNotText(t *testing.T) {
	told := make(chan xds.Rejection, 1)
	cache := xds.NewLinearCache(xds.ClusterType)
	cache.Put(resource(xds.ClusterType, "a", "1"))
	_, connection := serve(t, cache, xds.ServerOptions{Callbacks: xds.Callbacks{
		Rejected: func(_ xds.StreamInfo, r xds.Rejection) { told <- r },
	}}, xds.GRPCOptions()...)
	s := openWire(t, connection, deltaADS)
	send := func(m *discoveryv3.DeltaDiscoveryRequest, more ...byte) {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendMsg(append(wire, more...)); err != nil {
			t.Fatal(err)
		}
	}
	send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "n"}, TypeUrl: xds.ClusterType})
	var r discoveryv3.DeltaDiscoveryResponse
	if err := s.RecvMsg(&r); err != nil {
		t.Fatal(err)
	}
	detail := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "bad byte \xff")
	send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.TypeUrl, ResponseNonce: r.Nonce, ErrorDetail: &statuspb.Status{Code: 3}},
		protowire.AppendBytes(protowire.AppendTag(nil, 7, protowire.BytesType), detail)...)
	if got := <-told; got.Message != "bad byte \uFFFD" {
		t.Errorf("told %q", got.Message)
	}
}

// Streams that say nothing count as others do.
func TestSilentStreamsCount(t *testing.T) {
	const limit = 5
	_, connection := serve(t, xds.NewLinearCache(xds.ClusterType), xds.ServerOptions{MaxStreamsPerPeer: limit}, xds.GRPCOptions()...)
	ended := make(chan codes.Code)
	for range limit + 1 {
		s := openSotW(t, connection, sotwADS)
		go func() { ended <- s.ends() }()
	}
	if code := <-ended; code != codes.ResourceExhausted {
		t.Errorf("one stream too many ends with %v", code)
	}
	connection.Close()
	for range limit {
		<-ended
	}
}

// And they end when they are too old.
func TestSilentStreamsEnd(t *testing.T) {
	_, connection := serve(t, xds.NewLinearCache(xds.ClusterType), xds.ServerOptions{MaxStreamAge: time.Millisecond}, xds.GRPCOptions()...)
	if code := openSotW(t, connection, sotwADS).ends(); code != codes.Unavailable {
		t.Errorf("stream ends with %v", code)
	}
}

// A stream may ask for many types, but not for any number of them, and what it asked for is forgotten.
func TestTypesAreBounded(t *testing.T) {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "1")))
	_, connection := serve(t, cache, xds.ServerOptions{}, xds.GRPCOptions()...)
	for round := range 40 { // together more than a server takes
		s := openSotW(t, connection, sotwADS)
		for i := range 1000 {
			request := &discoveryv3.DiscoveryRequest{Node: &corev3.Node{Id: "n"}, TypeUrl: fmt.Sprintf("type.googleapis.com/t%d-%d", round, i)}
			if s.stream.SendMsg(request) != nil {
				break // it has ended
			}
		}
		if code := s.ends(); code != codes.ResourceExhausted {
			t.Fatalf("stream %d ends with %v", round, code)
		}
	}
}
