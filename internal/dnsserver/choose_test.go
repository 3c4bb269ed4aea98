package dnsserver

import (
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestChooseLeavesOut: an operator's order counts, and an address of another network is not answered.
func TestChooseLeavesOut(t *testing.T) {
	ordered, away, last := instance(1, registry.Healthy), instance(2, registry.Healthy), instance(3, registry.Unhealthy)
	ordered.Order = registry.Order{On: true, Reason: "new disk", Version: 1}
	away.Network = "east"
	got := choose([]*registry.Instance{ordered, away, last}, 3, func(*registry.Instance) bool { return true })
	if len(got) != 1 || got[0] != last {
		t.Errorf("got %v, want %v only", got, last.Key)
	}
}
