package compile_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// The golden cases of package envoy test from end to end what documents result in. The tests here are about errors,
// and about what a node may not see.

const documents = `
kind: Service
name: web
ports: [8080]
calls: [users]
---
kind: Service
name: users
ports: [8081]
calls: [orders]
---
kind: Service
name: orders
ports: [8082]
---
kind: Edge
name: public
listeners: [8000]
routes: [{to: web}]
`

func parse(t *testing.T, text string) *config.Documents {
	t.Helper()
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(text)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return &snapshot.Documents
}

func TestErrors(t *testing.T) {
	docs := parse(t, documents)
	for _, test := range []struct {
		name       string
		node       mesh.Node
		want       string
		noDocument bool
	}{
		{"no role", mesh.Node{Service: "web"}, `role "": want sidecar, edge or proxyless`, false},
		{"unknown service", mesh.Node{Role: mesh.Sidecar, Service: "wbe"}, `service "wbe"`, true},
		{"unknown program", mesh.Node{Role: mesh.Proxyless, Service: "wbe"}, `service "wbe"`, true},
		{"unknown edge", mesh.Node{Role: mesh.EdgeProxy, Edge: "web"}, `edge "web"`, true},
		{
			"ingress on egress",
			mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Ingress: map[mesh.PortName]int{"http": 9001}}},
			`egress and ingress of port "http" both listen on`, false,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := compile.Compile(docs, mesh.View{Node: test.node})
			if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, compile.ErrNoDocument) != test.noDocument {
				t.Errorf("error %v, want one with %s", err, test.want)
			}
		})
	}
}

// TestOnlyWhatIsCalled lists what each node of a chain of three services can reach.
func TestOnlyWhatIsCalled(t *testing.T) {
	docs := parse(t, documents)
	for _, test := range []struct {
		node mesh.Node
		want []mesh.ServiceName
	}{
		{mesh.Node{Role: mesh.EdgeProxy, Edge: "public"}, []mesh.ServiceName{"web"}},
		{mesh.Node{Role: mesh.Sidecar, Service: "web"}, []mesh.ServiceName{"users"}},
		{mesh.Node{Role: mesh.Sidecar, Service: "users"}, []mesh.ServiceName{"orders"}},
		{mesh.Node{Role: mesh.Sidecar, Service: "orders"}, nil},
	} {
		p, err := compile.Compile(docs, mesh.View{Node: test.node})
		if err != nil {
			t.Fatal(err)
		}
		var got []mesh.ServiceName
		for _, u := range p.Upstreams {
			if u.Target.Kind == ir.Service {
				got = append(got, u.Target.Name)
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s %s%s reaches (-want +got):\n%s", test.node.Role, test.node.Service, test.node.Edge, diff)
		}
	}
}

// TestInputUnchanged compiles with documents that other goroutines read at the same time.
func TestInputUnchanged(t *testing.T) {
	docs, untouched := parse(t, documents), parse(t, documents)
	for _, node := range []mesh.Node{{Role: mesh.Sidecar, Service: "web"}, {Role: mesh.EdgeProxy, Edge: "public"}} {
		if _, err := compile.Compile(docs, mesh.View{Node: node}); err != nil {
			t.Fatal(err)
		}
	}
	asMaps := cmp.Transformer("maps", func(d config.Documents) []any {
		return []any{d.Mesh, maps.Collect(d.Services.All()), maps.Collect(d.Edges.All()), maps.Collect(d.Externals.All())}
	})
	if diff := cmp.Diff(untouched, docs, asMaps); diff != "" {
		t.Errorf("the documents changed (-before +after):\n%s", diff)
	}
}
