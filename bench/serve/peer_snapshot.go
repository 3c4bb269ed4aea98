package serve

import (
	"context"
	"fmt"
	"maps"
	"strconv"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// peerSnapshot is a snapshot cache. Nodes of one view share a snapshot, and the types of a snapshot
// have versions of their own, so that a change of an assignment sends no clusters again.
type peerSnapshot struct {
	peer
	shape workload.Shape
	cache cache.SnapshotCache
	views []decoded
}

// viewOfNode chooses the snapshot of a node from its ID.
type viewOfNode struct{ shape workload.Shape }

// ID implements [cache.NodeHash].
func (v viewOfNode) ID(node *corev3.Node) string { return viewName(v.shape, node.GetId()) }

// viewName is the view of the client that calls itself id, "client-00042".
func viewName(shape workload.Shape, id string) string {
	return strconv.Itoa(shape.View(max(0, workload.Index([]byte(id)))))
}

func newPeerSnapshot(ctx context.Context, shape workload.Shape) (target, error) {
	p := &peerSnapshot{
		shape: shape,
		cache: cache.NewSnapshotCache(false, viewOfNode{shape}, nil),
		views: make([]decoded, shape.ViewCount()),
	}
	for view := range p.views {
		var err error
		if p.views[view], err = decode(shape, view); err != nil {
			return nil, err
		}
	}
	p.peer = newPeer(ctx, p.cache)
	return p, p.publish(0)
}

func (p *peerSnapshot) prepare(sequence uint32) (func() error, error) {
	for _, view := range p.views {
		for _, index := range p.shape.Targets(sequence) {
			next, err := changed(view.assignments[index], sequence)
			if err != nil {
				return nil, err
			}
			view.assignments[index] = next
		}
	}
	return func() error { return p.publish(sequence) }, nil
}

func (p *peerSnapshot) publish(sequence uint32) error {
	for view, resources := range p.views {
		var snapshot cache.Snapshot
		snapshot.Resources[types.Cluster] = cache.NewResources("1", resources.clusters)
		version := strconv.FormatUint(uint64(sequence)+1, 10)
		snapshot.Resources[types.Endpoint] = cache.NewResources(version, resources.assignments)
		if err := p.cache.SetSnapshot(context.Background(), strconv.Itoa(view), &snapshot); err != nil {
			return fmt.Errorf("view %d: %w", view, err)
		}
	}
	return nil
}

func (p *peerSnapshot) versions() (map[string]map[string]string, error) {
	all := map[string]map[string]string{workload.ClusterType: {}, workload.AssignmentType: {}}
	for view := range p.views {
		snapshot, err := p.cache.GetSnapshot(strconv.Itoa(view))
		if err != nil {
			return nil, err
		}
		for typeURL, versions := range all {
			of, err := versionsOf(snapshot.GetResources(typeURL))
			if err != nil {
				return nil, err
			}
			maps.Copy(versions, of)
		}
	}
	return all, nil
}
