package control

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestChangesOfInstances compares lists of instances that share most. Only those that differ become changes.
func TestChangesOfInstances(t *testing.T) {
	manifest := &config.Service{Header: config.Header{Name: "users"}, Ports: []config.Port{{Name: "http", Protocol: "http", Port: 8080}}}
	port := compile.ServedPortsOf(&config.Documents{Mesh: &config.Mesh{}}, manifest)[0]
	instance := func(host, weight int, state registry.State) *registry.Instance {
		address := netip.MustParseAddrPort(fmt.Sprintf("10.0.0.%d:9211", host))
		return &registry.Instance{Key: registry.Key{Service: "users", Address: address}, Weight: uint32(weight), State: state}
	}
	var all []*registry.Instance
	for host := range 100 {
		all = append(all, instance(host, 100, registry.Healthy))
	}
	edited := func(change func(*[]*registry.Instance)) []*registry.Instance {
		next := slices.Clone(all)
		change(&next)
		return next
	}
	for _, test := range []struct {
		name                string
		next                []*registry.Instance
		removed, added, all int // all: the endpoints afterwards
	}{
		{"nothing", all, 0, 0, 100},
		{"a weight", edited(func(l *[]*registry.Instance) { (*l)[50] = instance(50, 7, registry.Healthy) }), 1, 1, 100},
		{"one stops", edited(func(l *[]*registry.Instance) { *l = slices.Delete(*l, 0, 1) }), 1, 0, 99},
		{"one joins", edited(func(l *[]*registry.Instance) { *l = append(*l, instance(200, 1, registry.Healthy)) }), 0, 1, 101},
		{"one starts", edited(func(l *[]*registry.Instance) { (*l)[99] = instance(99, 1, registry.Starting) }), 1, 0, 99},
		{"all leave", nil, 100, 0, 0},
	} {
		p := servedPort{port, &portEncoder{AssignmentEncoder: envoy.NewAssignmentEncoder(port.Target)}}
		if removed, added := p.changes(all); len(removed) != 0 || len(added) != 100 {
			t.Fatalf("%s: first %d are removed and %d added", test.name, len(removed), len(added))
		}
		removed, added := p.changes(test.next)
		if len(removed) != test.removed || len(added) != test.added {
			t.Errorf("%s: %d are removed and %d added: want %d and %d", test.name, len(removed), len(added), test.removed, test.added)
		}
		var left []ir.Endpoint
		for _, i := range test.next {
			if e, ok := endpoint(port, i); ok {
				left = append(left, e)
			}
		}
		if len(left) != test.all {
			t.Errorf("%s: %d endpoints: want %d", test.name, len(left), test.all)
		}
	}
}
