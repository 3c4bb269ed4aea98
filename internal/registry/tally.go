package registry

import (
	"iter"
	"slices"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Tally counts the instances of a service. It is computed once for each version of the service. Immutable.
type Tally struct {
	counts [len(States)]int
	// Proxied are the instances that have a proxy, except those in maintenance: they count in another way while their
	// proxy is not connected. The slice must not be changed.
	Proxied []*Instance
}

// Count is the number of instances whose condition is state.
func (t *Tally) Count(state State) int { return t.counts[slices.Index(States[:], state)] }

// Tallies yields the services that have instances, in no order, each with its tally.
func (s *Snapshot) Tallies() iter.Seq2[mesh.ServiceName, *Tally] {
	return func(yield func(mesh.ServiceName, *Tally) bool) {
		for _, b := range s.buckets {
			for _, m := range b {
				m.tallied.Do(m.count)
				if !yield(m.service, &m.tally) {
					return
				}
			}
		}
	}
}

// count makes the tally.
func (m *members) count() {
	for _, i := range m.instances {
		state, _ := i.Condition()
		if at := slices.Index(States[:], state); at >= 0 {
			m.tally.counts[at]++
		}
		if i.Proxy != "" && state != Maintenance {
			m.tally.Proxied = append(m.tally.Proxied, i)
		}
	}
}
