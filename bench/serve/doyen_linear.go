package serve

import (
	"context"

	"github.com/doyen-mesh/doyen/bench/workload"
	"github.com/doyen-mesh/doyen/xds"
)

// doyenLinear is a mux of one linear cache for each type.
type doyenLinear struct {
	doyen
	shape                 workload.Shape
	clusters, assignments *xds.LinearCache
}

func newDoyenLinear(_ context.Context, shape workload.Shape) (target, error) {
	d := &doyenLinear{
		shape:       shape,
		clusters:    xds.NewLinearCache(workload.ClusterType),
		assignments: xds.NewLinearCache(workload.AssignmentType),
	}
	clusters, assignments := resources(shape, 0)
	d.clusters.Put(clusters...)
	d.assignments.Put(assignments...)
	d.doyen = newDoyen(xds.NewMux(xds.MuxOptions{Types: map[string]xds.Source{
		workload.ClusterType:    d.clusters,
		workload.AssignmentType: d.assignments,
	}}))
	return d, nil
}

func (d *doyenLinear) prepare(sequence uint32) (func() error, error) {
	bodies := make(map[string][]byte)
	for _, index := range d.shape.Targets(sequence) {
		name := d.shape.Name(0, index)
		bodies[name] = workload.Changed(d.assignments.Get(name).Body(), sequence)
	}
	return func() error { d.put(bodies); return nil }, nil
}

func (d *doyenLinear) put(bodies map[string][]byte) {
	var changed []*xds.Resource
	for name, body := range bodies {
		changed = append(changed, assignment(name, body))
	}
	d.assignments.Put(changed...)
}

func (d *doyenLinear) versions() (map[string]map[string]string, error) {
	versions := make(map[string]map[string]string)
	addVersions(versions, d.clusters.Resources())
	addVersions(versions, d.assignments.Resources())
	return versions, nil
}
