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
	was := d.assignments.Get(d.shape.Name(0, d.shape.Target(sequence)))
	next := assignment(was.Name(), workload.Changed(was.Body(), sequence))
	return func() error { d.assignments.Put(next); return nil }, nil
}

func (d *doyenLinear) versions() (map[string]map[string]string, error) {
	versions := make(map[string]map[string]string)
	addVersions(versions, d.clusters.Resources())
	addVersions(versions, d.assignments.Resources())
	return versions, nil
}
