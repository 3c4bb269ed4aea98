package envoy_test

import (
	"fmt"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// TestEverySettingIsAppliedOrReported sets each setting of the documents, one at a time, to its example in the
// reference. For each kind of client, either the resources change or the setting is reported as not applied. So an
// encoder that ignores a new setting has to say so.
func TestEverySettingIsAppliedOrReported(t *testing.T) {
	examples := settingExamples(reflect.TypeFor[config.Traffic](), "")
	for _, node := range []mesh.Node{
		{Role: mesh.Sidecar, Service: "web"},
		{Role: mesh.EdgeProxy, Edge: "public"},
		{Role: mesh.Proxyless, Service: "web"},
	} {
		before, _ := resourcesWith(t, node, "")
		for _, s := range config.Settings() {
			group, name, nested := strings.Cut(s.Path, ".")
			text := fmt.Sprintf("%s: %s", s.Path, examples[s.Path])
			if nested {
				text = fmt.Sprintf("%s: {%s: %s}", group, name, examples[s.Path])
			}
			after, notApplied := resourcesWith(t, node, text)
			if cmp.Equal(before, after) && notApplied[s.Path] == "" {
				t.Errorf("%s of role %s is neither applied nor reported as not applied", s.Path, node.Role)
			}
			if node.Role != mesh.Proxyless && len(notApplied) > 0 {
				t.Errorf("role %s does not apply %v: an Envoy can apply every setting", node.Role, notApplied)
			}
		}
	}
}

// Retries have the retry budget that explain shows, unless a document sets a number.
func TestRetryBudget(t *testing.T) {
	const budget = "20 % of the requests of the last second, at least 10"
	for _, test := range []struct{ name, mesh, service, call, want string }{
		{"built-in", "{}", "{}", "{}", budget},
		{"other limits", "{}", "{}", "{circuitBreaker: {requests: 9}}", budget},
		{"by the mesh", "{circuitBreaker: {retries: 7}}", "{}", "{}", "7"},
		{"by the service", "{circuitBreaker: {retries: 7}}", "{circuitBreaker: {retries: 8}}", "{}", "8"},
		{"none at once", "{}", "{}", "{circuitBreaker: {retries: 0}}", "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			snapshot, problems := config.Parse(config.Files{"mesh.yaml": fmt.Appendf(nil, `
kind: Mesh
name: m
defaults: %s
---
kind: Service
name: users
ports: 80
traffic: %s
---
kind: Service
name: web
calls: [{to: users, traffic: %s}]
`, test.mesh, test.service, test.call)})
			if problems != nil {
				t.Fatal(problems)
			}
			explained, _ := snapshot.Documents.ExplainCall("web", "users")
			for _, e := range explained {
				if e.Setting == "circuitBreaker.retries" && e.Value != test.want {
					t.Errorf("explain shows %q: want %q", e.Value, test.want)
				}
			}
			p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: mesh.Node{Role: mesh.Sidecar, Service: "web"}})
			if err != nil {
				t.Fatal(err)
			}
			if got := retryLimit(t, mustResources(t, p), "users"); got != test.want {
				t.Errorf("the cluster has the limit %q: want %q", got, test.want)
			}
		})
	}
}

// retryLimit returns the limit on the retries of a cluster, in the words of explain.
func retryLimit(t *testing.T, resources []envoy.Resource, name string) string {
	t.Helper()
	for _, r := range resources {
		if r.Type() != xds.ClusterType || r.Name() != name {
			continue
		}
		var c clusterv3.Cluster
		if err := proto.Unmarshal(r.Body(), &c); err != nil {
			t.Fatal(err)
		}
		limits := c.GetCircuitBreakers().GetThresholds()[0]
		if budget := limits.GetRetryBudget(); budget != nil {
			return fmt.Sprintf("%v %% of the requests of the last second, at least %d", budget.GetBudgetPercent().GetValue(), budget.GetMinRetryConcurrency().GetValue())
		}
		if limits.GetMaxRetries() != nil {
			return fmt.Sprint(limits.GetMaxRetries().GetValue())
		}
	}
	return "none"
}

// settingExamples returns the examples of all settings in a group of fields, by path.
func settingExamples(group reflect.Type, path string) map[string]string {
	examples := map[string]string{}
	for f := range group.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if _, isSetting := f.Type.FieldByName("Given"); isSetting {
			examples[path+name] = f.Tag.Get("example")
			continue
		}
		for inner, example := range settingExamples(f.Type, path+name+".") {
			examples[inner] = example
		}
	}
	return examples
}

// resourcesWith compiles a small mesh in which the called service sets traffic. Its default is to retry by gRPC
// status, so that gRPC programs have retries, too.
func resourcesWith(t *testing.T, node mesh.Node, traffic string) (versions, notApplied map[string]string) {
	t.Helper()
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(`
kind: Mesh
name: m
defaults: {retries: {on: [unavailable, cancelled]}}
---
kind: Service
name: web
calls: [users]
---
kind: Service
name: users
ports: 80/grpc
traffic: {` + traffic + `}
---
kind: Edge
name: public
listeners: 8000
routes: {to: users}
`)})
	if problems != nil {
		t.Fatal(problems)
	}
	p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: node})
	if err != nil {
		t.Fatal(err)
	}
	versions, notApplied = map[string]string{}, map[string]string{}
	for _, r := range mustResources(t, p) {
		versions[r.Type()+" "+r.Name()] = r.Version()
	}
	for _, port := range compile.ServedPorts(&snapshot.Documents) {
		r, err := envoy.Assignment(ir.EndpointSet{
			Target:    port.Target,
			Endpoints: []ir.Endpoint{{Address: netip.MustParseAddrPort("10.0.0.1:80"), Zone: "a"}, {Address: netip.MustParseAddrPort("10.0.0.2:80"), Zone: "b"}},
			Placement: port.Placement(ir.Viewer{Zone: "a"}, nil),
		})
		if err != nil {
			t.Fatal(err)
		}
		versions[r.Type()+" "+r.Name()] = r.Version()
	}
	for _, n := range p.NotApplied {
		if n.Why == "" || n.Origin.Line == 0 || n.Target.Name != "users" {
			t.Errorf("not applied: %+v", n)
		}
		notApplied[n.Setting] = n.Why
	}
	return versions, notApplied
}
