package envoy_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// BenchmarkSidecar compiles and encodes one sidecar that calls a hundred services.
func BenchmarkSidecar(b *testing.B) {
	const services = 100
	var text strings.Builder
	text.WriteString("kind: Service\nname: web\nports: [8080]\ncalls:\n")
	for i := range services {
		fmt.Fprintf(&text, "- s%d\n", i)
	}
	for i := range services {
		fmt.Fprintf(&text, "---\nkind: Service\nname: s%d\nports: [8080]\nhealth: /ready\n", i)
	}
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(text.String())})
	if len(problems) > 0 {
		b.Fatal(problems)
	}
	view := mesh.View{Node: mesh.Node{Role: mesh.Sidecar, Service: "web"}}
	for b.Loop() {
		p, err := compile.Compile(&snapshot.Documents, view)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := envoy.Resources(p); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkAssignment encodes the thousand endpoints of one service in three zones.
func BenchmarkAssignment(b *testing.B) {
	set := ir.EndpointSet{Target: ir.Target{Kind: ir.Service, Name: "users"}}
	for i := range 1000 {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{
			Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 9211),
			Zone:    mesh.ZoneName([]string{"a", "b", "c"}[i%3]), Weight: 100,
		})
	}
	for b.Loop() {
		if _, err := envoy.Assignment(set); err != nil {
			b.Fatal(err)
		}
	}
}
