package compile_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// TestReads lists the documents that determine the configuration of each node of a chain of three services.
func TestReads(t *testing.T) {
	docs := parse(t, documents)
	meshAnd := func(keys ...config.Key) []config.Key { return append(keys, config.MeshKey()) }
	for _, test := range []struct {
		node mesh.Node
		want []config.Key
	}{
		{mesh.Node{Role: mesh.EdgeProxy, Edge: "public"}, meshAnd(config.EdgeKey("public"), config.ServiceKey("web"))},
		{mesh.Node{Role: mesh.Sidecar, Service: "web"}, meshAnd(config.ServiceKey("users"), config.ServiceKey("web"))},
		{mesh.Node{Role: mesh.Proxyless, Service: "web"}, meshAnd(config.ServiceKey("users"), config.ServiceKey("web"))},
		{mesh.Node{Role: mesh.Sidecar, Service: "orders"}, []config.Key{config.ServiceKey("orders")}},
		{mesh.Node{Role: mesh.Sidecar, Service: "nobody"}, []config.Key{config.ServiceKey("nobody")}},
		{mesh.Node{Role: mesh.EdgeProxy, Edge: "nobody"}, []config.Key{config.EdgeKey("nobody")}},
	} {
		_, reads, _ := compile.Track(docs, mesh.View{Node: test.node})
		for _, keys := range [][]config.Key{reads, test.want} {
			slices.SortFunc(keys, func(a, b config.Key) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name)) })
		}
		if diff := gocmp.Diff(test.want, []config.Key(reads)); diff != "" {
			t.Errorf("%s %s%s (-want +got):\n%s", test.node.Role, test.node.Service, test.node.Edge, diff)
		}
	}
}

// addresses lets cmp compare addresses, whose fields it cannot read.
var addresses = gocmp.Options{
	gocmp.Comparer(func(a, b netip.AddrPort) bool { return a == b }),
	gocmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
}

// TestOnlyReadsMatter removes every document that a compilation did not read. The result stays the same.
func TestOnlyReadsMatter(t *testing.T) {
	text := "kind: Edge\nname: public\nlisteners: 8000\nroutes: [{hosts: a.example.com, to: s1}, {hosts: b.example.com, to: s2}]\n"
	for i := range 20 {
		text += fmt.Sprintf("---\nkind: Service\nname: s%d\nports: [8080, {name: admin, port: 8081}]\ncalls: [s%d, s%d, x%d]\n", i, (i+1)%20, (i+3)%20, i)
		text += fmt.Sprintf("---\nkind: External\nname: x%d\nprotocol: tcp\nhost: x.example.com\nport: 5432\n", i)
	}
	docs := parse(t, text)
	for _, node := range []mesh.Node{
		{Role: mesh.Sidecar, Service: "s4"}, {Role: mesh.Proxyless, Service: "s7"}, {Role: mesh.EdgeProxy, Edge: "public"},
	} {
		want, reads, err := compile.Track(docs, mesh.View{Node: node})
		if err != nil {
			t.Fatal(err)
		}
		few := config.Documents{Mesh: docs.Mesh}
		for _, key := range reads {
			switch name := mesh.ServiceName(key.Name); {
			case key.Kind == "Service" && docs.Services.Get(name) != nil:
				few.Services = few.Services.With(name, docs.Services.Get(name))
			case key.Kind == "External" && docs.Externals.Get(name) != nil:
				few.Externals = few.Externals.With(name, docs.Externals.Get(name))
			case key.Kind == "Edge":
				few.Edges = few.Edges.With(mesh.EdgeName(key.Name), docs.Edges.Get(mesh.EdgeName(key.Name)))
			}
		}
		got, err := compile.Compile(&few, mesh.View{Node: node})
		if err != nil {
			t.Errorf("%s: %v", node.Role, err)
		}
		if diff := gocmp.Diff(want, got, addresses); diff != "" {
			t.Errorf("%s (-with all documents +with those read):\n%s", node.Role, diff)
		}
		if few.Services.Len() > 4 {
			t.Errorf("%s read %d services", node.Role, few.Services.Len())
		}
	}
}
