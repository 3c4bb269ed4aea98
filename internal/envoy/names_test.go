package envoy_test

import (
	"os"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestNames checks the names that dashboards depend on, and that the reference page has each of them.
func TestNames(t *testing.T) {
	page, err := os.ReadFile("../../docs/reference/names.md")
	if err != nil {
		t.Fatal(err)
	}
	users := ir.Target{Kind: ir.Service, Name: "users"}
	admin := ir.Target{Kind: ir.Service, Name: "users", Port: "admin"}
	ledger := ir.Target{Kind: ir.External, Name: "ledger"}
	local := ir.Target{Kind: ir.Local, Port: "http"}
	for want, got := range map[string]string{
		"users":                        envoy.ClusterName(users),
		"admin.users":                  envoy.ClusterName(admin),
		"ledger":                       envoy.ClusterName(ledger),
		"local/http":                   envoy.ClusterName(local),
		"cluster.admin_users.*":        "cluster." + envoy.StatName(envoy.ClusterName(admin)) + ".*",
		"cluster.local_http.*":         "cluster." + envoy.StatName(envoy.ClusterName(local)) + ".*",
		"egress":                       envoy.EgressName,
		"egress/ledger":                envoy.TunnelName(ledger),
		"tcp.egress_ledger.*":          "tcp." + envoy.StatName(envoy.TunnelName(ledger)) + ".*",
		"ingress/http":                 envoy.IngressName("http"),
		"http.ingress_http.*":          "http." + envoy.StatName(envoy.IngressName("http")) + ".*",
		"edge":                         envoy.EdgeName,
		"edge/public":                  envoy.EdgeListenerName("public"),
		"http.edge_public.*":           "http." + envoy.StatName(envoy.EdgeListenerName("public")) + ".*",
		"system-ca":                    envoy.SystemCAName,
		"doyen/server":                 envoy.ServerClusterName,
		"sidecar/users/10.0.0.7:9211":  envoy.NodeID(mesh.Node{Role: mesh.Sidecar, Service: "users"}, "10.0.0.7:9211"),
		"edge/public/host1":            envoy.NodeID(mesh.Node{Role: mesh.EdgeProxy, Edge: "public"}, "host1"),
		"proxyless/reports/host1-4711": envoy.NodeID(mesh.Node{Role: mesh.Proxyless, Service: "reports"}, "host1-4711"),
		"xds:///admin.users.mesh":      "xds:///" + admin.Hosts()[1],
	} {
		if got != want {
			t.Errorf("the name is %q, want %q", got, want)
		}
		if !strings.Contains(string(page), "`"+want+"`") {
			t.Errorf("docs/reference/names.md has no %q", want)
		}
	}
}
