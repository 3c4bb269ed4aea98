package bootstrap_test

import (
	"encoding/json"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

var update = flag.Bool("update", false, "write what comes out into the golden files")

// proxy is a small sidecar whose name and zone are boolean values in YAML 1.1.
var (
	node  = mesh.Node{Role: mesh.Sidecar, Service: "n", Zone: "y", Ports: mesh.Ports{TCP: map[mesh.ServiceName]int{"on": 5432}}}
	proxy = ir.Proxy{
		Node:    node,
		Tunnels: []ir.Tunnel{{Bind: netip.MustParseAddrPort("127.0.0.1:5432"), Target: on}},
		Upstreams: []ir.Upstream{{
			Target: on, Protocol: mesh.TCP, ConnectTimeout: 1e9,
		}},
	}
	on   = ir.Target{Kind: ir.Service, Name: "on"}
	sets = []ir.EndpointSet{{Target: on, Endpoints: []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.1:5432"), Weight: 1}}}}
)

// TestGolden compares each kind of file with the one in testdata. Tests of package envoy give them to a real Envoy.
func TestGolden(t *testing.T) {
	o := bootstrap.Options{Node: node, Instance: "10.0.0.7:9211", Server: "doyen.example.com:18000", CA: "/etc/ssl/cert.pem"}
	byAddress, byRelay := o, o
	byRelay.Socket = "/run/doyen/xds.sock"
	byAddress.Server, byAddress.AdminPort, byAddress.CA = "[::1]:18000", 19901, ""
	for name, write := range map[string]func() ([]byte, error){
		"envoy.yaml":                func() ([]byte, error) { return bootstrap.Envoy(o) },
		"envoy_by_address.yaml":     func() ([]byte, error) { return bootstrap.Envoy(byAddress) },
		"envoy_by_relay.yaml":       func() ([]byte, error) { return bootstrap.Envoy(byRelay) },
		"grpc_by_relay.json":        func() ([]byte, error) { return bootstrap.GRPC(byRelay) },
		"static.yaml":               func() ([]byte, error) { return bootstrap.Static(byAddress, proxy, sets) },
		"static_without.yaml":       func() ([]byte, error) { return bootstrap.Static(byAddress, proxy, nil) },
		"static_but_endpoints.yaml": func() ([]byte, error) { return bootstrap.StaticButEndpoints(byAddress, proxy) },
		"grpc.json":                 func() ([]byte, error) { return bootstrap.GRPC(o) },
	} {
		t.Run(name, func(t *testing.T) {
			got, err := write()
			if err != nil {
				t.Fatal(err)
			}
			again, err := write()
			if err != nil || string(got) != string(again) {
				t.Errorf("a second time it is different, %v:\n%s", err, cmp.Diff(string(got), string(again)))
			}
			file := filepath.Join("testdata", name)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s differs (-want +got), `go test -update` rewrites it:\n%s", file, diff)
			}
		})
	}
}

// TestYAMLStrings checks that every string is quoted, and every key that is not a string in YAML 1.1.
func TestYAMLStrings(t *testing.T) {
	text, err := bootstrap.Static(bootstrap.Options{Node: node, Instance: "1e3"}, proxy, sets)
	if err != nil {
		t.Fatal(err)
	}
	var document yaml.Node
	if err := yaml.Load(text, &document); err != nil {
		t.Fatal(err)
	}
	var check func(n *yaml.Node, key bool)
	check = func(n *yaml.Node, key bool) {
		words := n.Value == "on" || n.Value == "y" || n.Value == "n"
		if n.Kind == yaml.ScalarNode && n.Tag == "!!str" && n.Style&yaml.DoubleQuotedStyle == 0 && (!key || words) {
			t.Errorf("line %d: %s is not quoted", n.Line, n.Value)
		}
		for i, child := range n.Content {
			check(child, n.Kind == yaml.MappingNode && i%2 == 0)
		}
	}
	check(&document, false)
}

// TestGRPCIsJSON reads the file as gRPC libraries do.
func TestGRPCIsJSON(t *testing.T) {
	text, err := bootstrap.GRPC(bootstrap.Options{Node: mesh.Node{Role: mesh.Proxyless, Service: "reports"}, Instance: "1", Server: "127.0.0.1:18000"})
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Servers []struct {
			URI   string `json:"server_uri"`
			Creds []struct{ Type string }
		} `json:"xds_servers"`
		Node struct {
			ID       string
			Metadata struct{ Doyen mesh.Node }
		}
	}
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if read.Servers[0].URI != "127.0.0.1:18000" || read.Node.ID != "proxyless/reports/1" || read.Node.Metadata.Doyen.Service != "reports" {
		t.Errorf("read as %+v", read)
	}
}

func TestServerErrors(t *testing.T) {
	for _, server := range []string{"", "18000", ":18000", "doyen.example.com", "doyen.example.com:", "h:0", "h:65536", "h:http"} {
		o := bootstrap.Options{Node: node, Server: server}
		_, forEnvoy := bootstrap.Envoy(o)
		_, forGRPC := bootstrap.GRPC(o)
		_, forBoth := bootstrap.StaticButEndpoints(o, proxy)
		for _, err := range []error{forEnvoy, forGRPC, forBoth} {
			if err == nil || !strings.Contains(err.Error(), "want host:port") {
				t.Errorf("server %q: error %v", server, err)
			}
		}
	}
}

func TestStaticIsForEnvoy(t *testing.T) {
	p := ir.Proxy{Node: mesh.Node{Role: mesh.Proxyless, Service: "reports"}}
	if _, err := bootstrap.Static(bootstrap.Options{Node: p.Node}, p, nil); err == nil {
		t.Error("a gRPC program gets a static Envoy file")
	}
}

// TestSystemCA only checks that the file that was found exists.
func TestSystemCA(t *testing.T) {
	if name := bootstrap.SystemCA(); name != "" {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
}
