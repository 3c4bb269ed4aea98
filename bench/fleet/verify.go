package fleet

import (
	"fmt"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// Expected is what clients must hold.
type Expected struct {
	Sequence uint32 // the last change that was made
	// Versions are the server's, by type URL and name; used in the incremental variant only.
	Versions map[string]map[string]string
}

// Verify compares what each client holds with what was published: names, bytes and, in the
// incremental variant, versions. The fleet must be closed.
func (f *Fleet) Verify(e Expected) error {
	sums := make([]viewSums, f.shape.ViewCount())
	for _, c := range f.clients {
		view := f.shape.View(c.number)
		if sums[view].clusters == nil {
			sums[view] = f.expected(e, view)
		}
		if err := c.verify(&sums[view]); err != nil {
			return err
		}
	}
	return nil
}

// viewSums are the sums of a view's resources, by index.
type viewSums struct{ clusters, assignments []uint64 }

func (f *Fleet) expected(e Expected, view int) viewSums {
	sums := viewSums{make([]uint64, f.shape.Clusters), make([]uint64, f.shape.Clusters)}
	for index := range f.shape.Clusters {
		name := f.shape.Name(view, index)
		sums.clusters[index] = f.expect(e, workload.ClusterType, name, f.shape.Cluster(view, index))
		assignment := f.shape.Assignment(view, index)
		if change := f.shape.Latest(index, e.Sequence); change > 0 {
			assignment = workload.Changed(assignment, change)
		}
		sums.assignments[index] = f.expect(e, workload.AssignmentType, name, assignment)
	}
	return sums
}

func (f *Fleet) expect(e Expected, typeURL, name string, body []byte) uint64 {
	version := ""
	if f.protocol == Delta {
		version = e.Versions[typeURL][name]
	}
	return f.summer.sum([]byte(name), []byte(version), body)
}

func (c *client) verify(sums *viewSums) error {
	if c.clusters.want > 0 {
		for index, want := range sums.clusters {
			if c.clusters.sums[index] != want {
				return fmt.Errorf("client %d: cluster %d is not what was published", c.number, index)
			}
		}
	}
	subscribed := make([]bool, c.fleet.shape.Clusters)
	for _, index := range c.fleet.shape.Subscription(c.number) {
		subscribed[index] = true
	}
	for index, want := range sums.assignments {
		if !subscribed[index] {
			want = 0
		}
		if c.assignments.sums[index] != want {
			return fmt.Errorf("client %d: assignment %d is not what was published", c.number, index)
		}
	}
	return nil
}
