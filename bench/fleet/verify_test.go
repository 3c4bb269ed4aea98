package fleet

import (
	"hash/maphash"
	"testing"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// TestVerifyFindsEachDifference gives one client exactly what was published, then spoils it in each
// way a server could.
func TestVerifyFindsEachDifference(t *testing.T) {
	shape := workload.Shape{Clusters: 4, Endpoints: 2}
	versions := map[string]map[string]string{workload.ClusterType: {}, workload.AssignmentType: {}}
	for index := range shape.Clusters {
		versions[workload.ClusterType][shape.Name(0, index)] = "c"
		versions[workload.AssignmentType][shape.Name(0, index)] = "a"
	}
	expected := Expected{Sequence: 2, Versions: versions}

	for name, spoil := range map[string]func(f *Fleet, c *client){
		"":               func(*Fleet, *client) {},
		"missing":        func(_ *Fleet, c *client) { c.clusters.remove(3) },
		"old":            func(f *Fleet, c *client) { give(f, c, 1, shape.Assignment(0, 1), "a") },
		"other version":  func(f *Fleet, c *client) { give(f, c, 3, shape.Assignment(0, 3), "b") },
		"never existed":  func(f *Fleet, c *client) { give(f, c, 3, workload.Changed(shape.Assignment(0, 3), 4), "a") },
		"another's body": func(f *Fleet, c *client) { give(f, c, 3, shape.Assignment(0, 2), "a") },
	} {
		f := &Fleet{shape: shape, protocol: Delta, fields: Delta.fields(), summer: summer{maphash.MakeSeed()}}
		f.enlist(1)
		c := f.clients[0]
		for index := range shape.Clusters {
			sum := f.summer.sum([]byte(shape.Name(0, index)), []byte("c"), shape.Cluster(0, index))
			c.clusters.put(index, sum)
			body := shape.Assignment(0, index)
			if index < 2 {
				body = workload.Changed(body, uint32(index+1))
			}
			give(f, c, index, body, "a")
		}
		spoil(f, c)
		if err := f.Verify(expected); (err == nil) != (name == "") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func give(f *Fleet, c *client, index int, body []byte, version string) {
	c.assignments.put(index, f.summer.sum([]byte(f.shape.Name(0, index)), []byte(version), body))
}
