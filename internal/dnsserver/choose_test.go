package dnsserver

import (
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestChooseLeavesOut checks that an operator's order counts, and that an address of another network is not answered.
func TestChooseLeavesOut(t *testing.T) {
	ordered, last, away := instance(1, registry.Healthy), instance(3, registry.Unhealthy), instance(2, registry.Healthy)
	ordered.Order = registry.Order{On: true, Reason: "new disk", Version: 1}
	away.Network = "east"
	near := inDefaultNetwork([]*registry.Instance{ordered, last, away})
	got := choose(near, 3, func(*registry.Instance) bool { return true })
	if len(got) != 1 || got[0] != last {
		t.Errorf("got %v, want %v only", got, last.Key)
	}
}
