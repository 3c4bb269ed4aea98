package envoy_test

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

var addresses = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// TestNodeRoundTrip sends nodes as bootstraps write them and reads them back.
func TestNodeRoundTrip(t *testing.T) {
	for _, n := range []mesh.Node{
		{Role: mesh.Sidecar, Service: "users"},
		{Role: mesh.EdgeProxy, Edge: "public", Zone: "a", Ports: mesh.Ports{Edge: map[string]int{"https": 8443}}},
		{Role: mesh.Proxyless, Service: "reports", Zone: "b"},
		{Role: mesh.Sidecar, Service: "users", Address: netip.MustParseAddr("::1"), Ports: mesh.Ports{
			Egress:  1,
			Ingress: map[mesh.PortName]int{"http": 2},
			App:     map[mesh.PortName]int{"http": 3},
			TCP:     map[mesh.ServiceName]int{"ledger": 65535},
		}},
	} {
		sent, err := envoy.NodeProto(n, "10.0.0.7:9211")
		if err != nil {
			t.Fatal(err)
		}
		got, err := envoy.NodeFromMetadata(sent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, got, addresses); diff != "" {
			t.Errorf("node (-sent +read):\n%s", diff)
		}
	}
}

// TestNodeFromMetadata tests metadata that clients other than our own send.
func TestNodeFromMetadata(t *testing.T) {
	for _, test := range []struct{ name, node, want string }{
		{"nothing", `{"id": "x"}`, `node "x": metadata has no "doyen"`},
		{"not an object", `{"id": "x", "metadata": {"doyen": 7}}`, `metadata "doyen": json: cannot unmarshal number`},
		{"no role", `{"metadata": {"doyen": {"service": "users"}}}`, `role "": want sidecar, edge or proxyless`},
		{"unknown role", `{"metadata": {"doyen": {"role": "gateway"}}}`, `role "gateway": want sidecar`},
		{"no service", `{"metadata": {"doyen": {"role": "sidecar"}}}`, `service name "" is empty`},
		{"no edge", `{"metadata": {"doyen": {"role": "edge", "service": "users"}}}`, `edge name "" is empty`},
		{"bad service", `{"metadata": {"doyen": {"role": "proxyless", "service": "Users"}}}`, `service name "Users" may not contain`},
		{"bad zone", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "zone": "A"}}}`, `zone name "A"`},
		{"bad address", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "address": "here"}}}`, `unable to parse IP`},
		{"fraction", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "ports": {"egress": 1.5}}}}`, `cannot unmarshal number 1.5`},
		{"port too high", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "ports": {"egress": 65536}}}}`, `ports.egress: 65536 is not in 1-65535`},
		{"negative port", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "ports": {"tcp": {"ledger": -1}}}}}`, `ports.tcp[ledger]: -1`},
		{"zero port", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "ports": {"app": {"http": 0}}}}}`, `ports.app: "http" is 0`},
		{"Envoy as a gRPC program", `{"userAgentName": "envoy", "metadata": {"doyen": {"role": "proxyless", "service": "users"}}}`, "`doyen bootstrap envoy`"},
		{"gRPC program as an Envoy", `{"userAgentName": "gRPC Go", "metadata": {"doyen": {"role": "sidecar", "service": "users"}}}`, "`doyen bootstrap grpc`"},
		{"Envoy", `{"userAgentName": "envoy", "metadata": {"doyen": {"role": "sidecar", "service": "users"}}}`, ""},
		{"gRPC program", `{"userAgentName": "gRPC Go", "metadata": {"doyen": {"role": "proxyless", "service": "users"}}}`, ""},
		{"unknown field", `{"metadata": {"doyen": {"role": "sidecar", "service": "users", "flavour": "new"}}}`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			node := &corev3.Node{}
			if err := protojson.Unmarshal([]byte(test.node), node); err != nil {
				t.Fatal(err)
			}
			_, err := envoy.NodeFromMetadata(node)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("error %v, want none", err)
			case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
				t.Errorf("error %v, want one with %s", err, test.want)
			}
		})
	}
}

// TestNodeZone checks that the zone of the locality counts if the metadata has none, and only if it is a valid zone
// name.
func TestNodeZone(t *testing.T) {
	for zone, want := range map[string]mesh.ZoneName{"a": "a", "": "", "us-East-1": ""} {
		node, err := envoy.NodeProto(mesh.Node{Role: mesh.Sidecar, Service: "users"}, "1")
		if err != nil {
			t.Fatal(err)
		}
		node.Locality = &corev3.Locality{Zone: zone}
		got, err := envoy.NodeFromMetadata(node)
		if err != nil || got.Zone != want {
			t.Errorf("zone %q is read as %q, %v, want %q", zone, got.Zone, err, want)
		}
	}
}

// FuzzNodeFromMetadata looks for metadata that is accepted but is no valid node, or that makes the decoder panic. It
// also encodes what was accepted and decodes it again.
func FuzzNodeFromMetadata(f *testing.F) {
	f.Add(`{"role": "sidecar", "service": "users", "zone": "a", "ports": {"egress": 9001, "ingress": {"http": 9211}}}`)
	f.Add(`{"role": "edge", "edge": "public", "address": "::", "ports": {"edge": {"https": 8443}}}`)
	f.Add(`{"role": 7}`)
	f.Fuzz(func(t *testing.T, metadata string) {
		text, err := json.Marshal(map[string]any{"metadata": map[string]any{"doyen": json.RawMessage(metadata)}})
		node := &corev3.Node{}
		if err != nil || protojson.Unmarshal(text, node) != nil {
			return
		}
		first, err := envoy.NodeFromMetadata(node)
		if err != nil {
			return
		}
		if first.Ports.Egress < 0 || first.Ports.Egress > 65535 {
			t.Errorf("egress %d is accepted", first.Ports.Egress)
		}
		sent, err := envoy.NodeProto(first, "1")
		if err != nil {
			t.Fatal(err)
		}
		second, err := envoy.NodeFromMetadata(sent)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, second, addresses, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("node (-read +sent and read):\n%s", diff)
		}
	})
}
