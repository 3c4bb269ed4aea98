package xds

import (
	"slices"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
)

// FuzzDecode compares the decoder written by hand with the generated one: they accept the
// same messages, and read the same from them.
func FuzzDecode(f *testing.F) {
	node := &corev3.Node{Id: "n", Cluster: "c", ClientFeatures: []string{"x"}}
	add := func(m proto.Message, delta bool) {
		wire, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire, delta)
	}
	add(&discoveryv3.DiscoveryRequest{
		VersionInfo: "v", Node: node, ResourceNames: []string{"a", "", "b"}, TypeUrl: ClusterType, ResponseNonce: "1",
		ErrorDetail: &statuspb.Status{Code: 3, Message: "no"},
	}, false)
	add(&discoveryv3.DeltaDiscoveryRequest{
		Node: node, ResourceNamesSubscribe: []string{"a"}, ResourceNamesUnsubscribe: []string{"b", "*"}, TypeUrl: "t", ResponseNonce: "2",
		InitialResourceVersions: map[string]string{"a": "1", "": ""}, ErrorDetail: &statuspb.Status{},
	}, true)
	f.Fuzz(func(t *testing.T, wire []byte, delta bool) {
		byHand := &request{delta: delta}
		generated := &request{delta: delta}
		generated.ProtoReflect()
		if err := proto.Unmarshal(wire, generated.decoded); err != nil {
			return // the generated one also checks, for example, that text is UTF-8
		}
		if err := byHand.decode(wire); err != nil {
			t.Fatalf("not decoded: %v", err)
		}
		generated.adopt()
		ignore := cmpopts.IgnoreFields(request{}, "size", "encoded", "node", "decoded")
		if diff := cmp.Diff(generated, byHand, cmp.AllowUnexported(request{}), ignore, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded differently (-generated +by hand):\n%s", diff)
		}
		if !proto.Equal(generated.node, byHand.node) {
			t.Errorf("node is %v, want %v", byHand.node, generated.node)
		}
	})
}

// FuzzDecodeRepeated decodes a request after another one of its stream: that its names may be
// recognized as those of the other, and left out, makes no difference.
func FuzzDecodeRepeated(f *testing.F) {
	wire := func(m *discoveryv3.DiscoveryRequest) []byte {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	first := wire(&discoveryv3.DiscoveryRequest{ResourceNames: []string{"a", "b"}, TypeUrl: EndpointType})
	f.Add(first, wire(&discoveryv3.DiscoveryRequest{VersionInfo: "v", ResourceNames: []string{"a", "b"}, TypeUrl: EndpointType, ResponseNonce: "1"}))
	f.Add(first, wire(&discoveryv3.DiscoveryRequest{ResourceNames: []string{"a", "b"}, TypeUrl: RouteType}))
	f.Add(first, wire(&discoveryv3.DiscoveryRequest{ResourceNames: []string{"a", "b", "c"}, TypeUrl: EndpointType}))
	f.Add(first, wire(&discoveryv3.DiscoveryRequest{ResourceNames: []string{"a", "c"}, TypeUrl: EndpointType}))
	f.Add(first, append(slices.Clone(first), first...)) // names in two watches
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var before, alone request
		if before.decode(first) != nil || alone.decode(second) != nil {
			return
		}
		s := &session{watches: []*watch{{kind: kindOf(before.typeURL), requested: requested{last: before.encoded}}}}
		after := request{session: s}
		if err := after.decode(second); err != nil {
			t.Fatalf("not decoded after another request: %v", err)
		}
		if after.sameNames {
			if after.typeURL != before.typeURL {
				t.Errorf("names of a %q taken for those of a %q", after.typeURL, before.typeURL)
			}
			after.names, after.sameNames = before.names, false
		}
		after.session = nil
		if diff := cmp.Diff(alone, after, cmp.AllowUnexported(request{}, encodedNames{}), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(request{}, "node")); diff != "" {
			t.Errorf("decoded differently (-alone +after another request):\n%s", diff)
		}
	})
}
