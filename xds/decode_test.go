package xds

import (
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
		ignore := cmpopts.IgnoreFields(request{}, "size", "hash", "node", "decoded")
		if diff := cmp.Diff(generated, byHand, cmp.AllowUnexported(request{}), ignore, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("decoded differently (-generated +by hand):\n%s", diff)
		}
		if !proto.Equal(generated.node, byHand.node) {
			t.Errorf("node is %v, want %v", byHand.node, generated.node)
		}
	})
}
