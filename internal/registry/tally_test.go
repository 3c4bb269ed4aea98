package registry

import (
	"fmt"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

func TestTallies(t *testing.T) {
	in := func(service mesh.ServiceName, n int, state State, proxy string) Change {
		i := number(service, n, 1)
		i.State, i.Proxy = state, proxy
		return Change{Key: i.Key, Instance: i}
	}
	ordered := in("a", 3, Healthy, "sidecar/a/3")
	ordered.Instance = ordered.Instance.under(Order{On: true, Version: 1})
	s := newSnapshot().with([]Change{
		in("a", 0, Healthy, ""), in("a", 1, Healthy, "sidecar/a/1"), in("a", 2, Unhealthy, ""), ordered,
		in("b", 0, Starting, ""), in("b", 1, Draining, ""),
	})
	describe := func(service mesh.ServiceName, tally *Tally) string {
		text := string(service)
		for _, state := range States {
			text += fmt.Sprint(" ", tally.Count(state))
		}
		for _, i := range tally.Proxied {
			text += " " + i.Proxy
		}
		return text
	}
	collect := func(s *Snapshot) (all map[mesh.ServiceName]string, tallies map[mesh.ServiceName]*Tally) {
		all, tallies = map[mesh.ServiceName]string{}, map[mesh.ServiceName]*Tally{}
		for service, tally := range s.Tallies() {
			all[service], tallies[service] = describe(service, tally), tally
		}
		return all, tallies
	}
	expect := func(got map[mesh.ServiceName]string, want ...string) {
		t.Helper()
		if len(got) != len(want) {
			t.Errorf("%d services, want %d", len(got), len(want))
		}
		for _, w := range want {
			if service := mesh.ServiceName(w[:1]); got[service] != w {
				t.Errorf("tally %q, want %q", got[service], w)
			}
		}
	}
	// Starting, healthy, unhealthy, draining, in maintenance.
	all, before := collect(s)
	expect(all, "a 0 2 1 0 1 sidecar/a/1", "b 1 0 0 1 0")
	all, after := collect(s.with([]Change{in("b", 0, Healthy, "")}))
	expect(all, "a 0 2 1 0 1 sidecar/a/1", "b 0 1 0 1 0")
	if before["a"] != after["a"] {
		t.Error("a service that did not change is counted again")
	}
}
