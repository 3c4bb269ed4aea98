package serve

import (
	"context"

	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// peerLinear is a mux of one linear cache for each type.
type peerLinear struct {
	peer
	shape                 workload.Shape
	clusters, assignments *cache.LinearCache
}

func newPeerLinear(ctx context.Context, shape workload.Shape) (target, error) {
	resources, err := decode(shape, 0)
	if err != nil {
		return nil, err
	}
	p := &peerLinear{
		shape:       shape,
		clusters:    linearCache(workload.ClusterType, resources.clusters),
		assignments: linearCache(workload.AssignmentType, resources.assignments),
	}
	p.peer = newPeer(ctx, &cache.MuxCache{
		Classify:      func(r *cache.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return r.GetTypeUrl() },
		Caches: map[string]cache.Cache{
			workload.ClusterType:    p.clusters,
			workload.AssignmentType: p.assignments,
		},
	})
	return p, nil
}

func linearCache(typeURL string, resources []types.Resource) *cache.LinearCache {
	return cache.NewLinearCache(typeURL, cache.WithInitialResources(cache.IndexRawResourcesByName(resources)))
}

func (p *peerLinear) prepare(sequence uint32) (func() error, error) {
	was, next := p.assignments.GetResources(), make(map[string]types.Resource)
	for _, index := range p.shape.Targets(sequence) {
		name := p.shape.Name(0, index)
		var err error
		if next[name], err = changed(was[name], sequence); err != nil {
			return nil, err
		}
	}
	return func() error { return p.assignments.UpdateResources(next, nil) }, nil
}

func (p *peerLinear) versions() (map[string]map[string]string, error) {
	clusters, err := versionsOf(p.clusters.GetResources())
	if err != nil {
		return nil, err
	}
	assignments, err := versionsOf(p.assignments.GetResources())
	return map[string]map[string]string{
		workload.ClusterType:    clusters,
		workload.AssignmentType: assignments,
	}, err
}
