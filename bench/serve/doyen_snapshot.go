package serve

import (
	"context"
	"slices"
	"strconv"

	"github.com/doyen-mesh/doyen/bench/workload"
	"github.com/doyen-mesh/doyen/xds"
)

// doyenSnapshot is a snapshot cache; all views are published as one step.
type doyenSnapshot struct {
	doyen
	shape workload.Shape
	cache *xds.SnapshotCache
	views []view
}

// view is the resources of one view, by index.
type view struct{ clusters, assignments []*xds.Resource }

func newDoyenSnapshot(_ context.Context, shape workload.Shape) (target, error) {
	viewOf := func(n *xds.Node) string { return viewName(shape, n.ID) }
	d := &doyenSnapshot{
		shape: shape,
		cache: xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: viewOf}),
		views: make([]view, shape.ViewCount()),
	}
	for i := range d.views {
		d.views[i].clusters, d.views[i].assignments = resources(shape, i)
	}
	d.doyen = newDoyen(d.cache)
	d.publish()
	return d, nil
}

func (d *doyenSnapshot) prepare(sequence uint32) (func() error, error) {
	indices := d.shape.Targets(sequence)
	bodies := make([][][]byte, len(d.views))
	for i, v := range d.views {
		for _, index := range indices {
			bodies[i] = append(bodies[i], workload.Changed(v.assignments[index].Body(), sequence))
		}
	}
	return func() error { d.change(indices, bodies); return nil }, nil
}

// change publishes new bodies, by view, of the assignments with these indices.
func (d *doyenSnapshot) change(indices []int, bodies [][][]byte) {
	for i, v := range d.views {
		for j, index := range indices {
			v.assignments[index] = assignment(v.assignments[index].Name(), bodies[i][j])
		}
	}
	d.publish()
}

func (d *doyenSnapshot) publish() {
	snapshots := make(map[string]*xds.Snapshot, len(d.views))
	for i, v := range d.views {
		snapshots[strconv.Itoa(i)] = xds.NewSnapshot(slices.Concat(v.clusters, v.assignments)...)
	}
	d.cache.PublishAll(snapshots)
}

func (d *doyenSnapshot) versions() (map[string]map[string]string, error) {
	versions := make(map[string]map[string]string)
	for _, v := range d.views {
		addVersions(versions, v.clusters)
		addVersions(versions, v.assignments)
	}
	return versions, nil
}
