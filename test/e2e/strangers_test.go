package e2e

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/test/machine"
)

// TestServiceWithoutManifest connects an Envoy of a service without a manifest: it is sent nothing, and status says
// why. Adding the manifest is enough to configure it.
func TestServiceWithoutManifest(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	ports := machine.FreePorts(t, 3)
	bootstrap, err := exec.Command(doyen, "bootstrap", "envoy", "--service", "ghosts", "--instance", "1", "--xds", m.grpc,
		"--admin-port", fmt.Sprint(ports[0]), "--egress-port", fmt.Sprint(ports[1]), "--ingress-port", fmt.Sprintf("http=%d", ports[2])).Output()
	if err != nil {
		t.Fatal(err)
	}
	startEnvoy(t, "ghosts", string(bootstrap)).atLast(func() { mustBeClean(t, "ghosts", ports[0]) })
	p := m.proxy("sidecar/ghosts/1", func(p api.Proxy) bool { return strings.Contains(p.Why, "sent nothing") })
	if !strings.Contains(p.Why, `service "ghosts": no document describes it`) || p.InSync {
		t.Errorf("why is %q: want that no document describes ghosts", p.Why)
	}
	m.statusSays("- sidecar/ghosts/1 (", `it is sent nothing: service "ghosts": no document describes it`, "NOT CONFIGURED")
	if n := stats(t, ports[0], "listener_manager.lds.update_success")["listener_manager.lds.update_success"]; n != 0 {
		t.Errorf("it took %d configurations: want none", n)
	}
	m.write("ghosts.yaml", "kind: Service\nname: ghosts\nports: [8080]\n")
	m.inSync()
	m.proxy("sidecar/ghosts/1", func(p api.Proxy) bool { return p.InSync })
}

// TestNodeThatSaysNothing connects an Envoy without doyen's metadata: it is sent nothing, and status says why.
func TestNodeThatSaysNothing(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	host, port, _ := strings.Cut(m.grpc, ":")
	admin := machine.FreePorts(t, 1)[0]
	startEnvoy(t, "stranger", fmt.Sprintf(`
node: {id: stranger, cluster: unknown}
admin: {address: {socket_address: {address: 127.0.0.1, port_value: %d}}}
dynamic_resources:
  ads_config: {api_type: DELTA_GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: server}}]}
  cds_config: {ads: {}, resource_api_version: V3}
  lds_config: {ads: {}, resource_api_version: V3}
static_resources:
  clusters:
  - name: server
    type: STATIC
    load_assignment:
      cluster_name: server
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %s, port_value: %s}}}}]}]
    typed_extension_protocol_options:
      envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
        "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
        explicit_http_config: {http2_protocol_options: {}}
`, admin, host, port)).atLast(func() { mustBeClean(t, "stranger", admin) })
	p := m.proxy("stranger", func(p api.Proxy) bool { return p.Connected })
	if !strings.Contains(p.Why, "is sent nothing") || !strings.Contains(p.Why, "metadata") || p.InSync {
		t.Errorf("why is %q: want that it is sent nothing without metadata", p.Why)
	}
	m.statusSays("- stranger (", "it is sent nothing", "metadata")
	for stat, n := range updates(t, admin) {
		if n != 0 {
			t.Errorf("%s is %d: want nothing", stat, n)
		}
	}
}

// TestRemovedService removes the manifest of a service whose proxies run: they keep their configuration.
func TestRemovedService(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{
		"users.yaml":  loneService,
		"orders.yaml": "kind: Service\nname: orders\nports: [8080]\n",
		"web.yaml":    "kind: Service\nname: web\nports: [8080]\ncalls: [users]\n",
	})
	m.startInstance("users", "users-1", options{})
	web := m.startInstance("web", "web-1", options{})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	answers(t, egress, "users", "users-1")
	m.inSync()
	before := updates(t, web.admin)
	node := fmt.Sprintf("sidecar/web/127.0.0.1:%d", web.ingress)
	revision := m.proxy(node, func(p api.Proxy) bool { return p.InSync }).Revision

	if err := os.Remove(filepath.Join(m.folder, "web.yaml")); err != nil {
		t.Fatal(err)
	}
	p := m.proxy(node, func(p api.Proxy) bool { return p.Why != "" })
	if !strings.Contains(p.Why, "keeps revision "+revision) || !strings.Contains(p.Why, "no document describes it") {
		t.Errorf("why is %q: want that it keeps revision %s without a manifest", p.Why, revision)
	}
	answersExactly(t, egress, "users", "users-1")
	if after := updates(t, web.admin); !maps.Equal(after, before) {
		t.Errorf("the proxy was sent something: %v before, %v after", before, after)
	}
}

// proxy waits until the proxy is as wanted, and returns its status.
func (m *mesh) proxy(node string, wanted func(api.Proxy) bool) (found api.Proxy) {
	m.t.Helper()
	eventually(m.t, node+" is in status", func() string {
		s, err := m.tryStatus()
		for _, p := range s.Proxies {
			if p.Node == node && wanted(p) {
				found = p
				return ""
			}
		}
		return fmt.Sprintf("%v, proxies %+v", err, s.Proxies)
	})
	return found
}

// startEnvoy runs an Envoy without an agent.
func startEnvoy(t *testing.T, name, bootstrap string) *process {
	t.Helper()
	file := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(file, []byte(bootstrap), 0o600); err != nil {
		t.Fatal(err)
	}
	return start(t, name, nil, machine.Envoy(t), "-c", file, "--use-dynamic-base-id", "--log-level", "warning")
}
