package control

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

// keepUnused is how long a view without nodes stays compiled: long enough for a proxy to restart.
const keepUnused = 10 * time.Minute

// Documents are the accepted documents, now and as they change.
type Documents interface {
	// Accepted returns the documents in force and a channel that closes when they are not any more.
	Accepted() (*config.Snapshot, <-chan struct{})
}

// Instances is the registry, now and as it changes.
type Instances interface {
	Snapshot() *registry.Snapshot
}

// Control publishes what documents and instances ask for.
type Control struct {
	// Fixed after construction.
	documents Documents
	instances Instances
	log       *slog.Logger
	snapshots *xds.SnapshotCache
	endpoints *xds.LinearCache
	source    *xds.Mux
	ready     chan struct{}

	views   views
	current atomic.Pointer[State]
}

// New returns a Control that has published nothing yet.
func New(documents Documents, instances Instances, log *slog.Logger) *Control {
	c := &Control{
		documents: documents, instances: instances, log: log,
		endpoints: xds.NewLinearCache(xds.EndpointType),
		ready:     make(chan struct{}),
		views:     newViews(),
	}
	c.snapshots = xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: c.views.of})
	c.source = xds.NewMux(xds.MuxOptions{
		Types:   map[string]xds.Source{xds.EndpointType: c.endpoints},
		Default: c.snapshots,
	})
	c.current.Store(newState(nil, nil))
	return c
}

// Source is what the xDS server serves from.
func (c *Control) Source() xds.Source { return c.source }

// Callbacks keep count of which views have nodes. The xDS server must have them.
func (c *Control) Callbacks() xds.Callbacks {
	return xds.Callbacks{
		StreamOpen: func(_ context.Context, s xds.StreamInfo) error {
			c.views.hold(s.Node)
			return nil
		},
		StreamClose: func(s xds.StreamInfo, _ error) { c.views.release(s.Node) },
	}
}

// Ready is closed once the documents in force and the instances known at the start are published.
// Streams served earlier would be told of an emptier mesh than there is.
func (c *Control) Ready() <-chan struct{} { return c.ready }

// State is what is published now. Safe to call from anywhere.
func (c *Control) State() *State { return c.current.Load() }

// Gone are the nodes that were connected a short while ago and are not now.
func (c *Control) Gone() []Gone { return c.views.left() }

// Published waits until the service's instances as they are now are published, and returns the names of
// their assignments.
func (c *Control) Published(ctx context.Context, service mesh.ServiceName) ([]string, error) {
	now := c.instances.Snapshot().Sequence()
	for {
		state := c.State()
		if state.Instances != nil && state.Instances.Sequence() >= now {
			return state.assignmentsOf(service), nil
		}
		select {
		case <-state.stale:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Run publishes until ctx ends.
func (c *Control) Run(ctx context.Context) error {
	sweep := time.NewTicker(keepUnused / 10)
	defer sweep.Stop()
	for first := true; ; first = false {
		documents, documentsChanged := c.documents.Accepted()
		instances := c.instances.Snapshot()
		c.publish(documents, instances)
		if first {
			close(c.ready)
		}
		select {
		case <-documentsChanged:
		case <-instances.Changed():
		case <-c.views.asked:
		case <-sweep.C:
			c.views.sweep(time.Now().Add(-keepUnused))
		case <-ctx.Done():
			return nil
		}
	}
}

// publish makes current whatever differs from what is. New endpoints come first and old ones go last,
// so that a cluster never stands without its assignment.
func (c *Control) publish(documents *config.Snapshot, instances *registry.Snapshot) {
	last := c.current.Load()
	next := newState(documents, instances)
	next.Views = last.Views
	put, remove, err := assignments(last, next)
	if err != nil {
		c.log.Error("endpoints cannot be encoded", "error", err)
	}
	c.endpoints.Put(put...)
	if next.Documents != last.Documents {
		c.views.dropUndescribed(&next.Documents.Documents)
	}
	if wanted := c.views.wanted(); next.Documents != last.Documents || !sameViews(wanted, last.Views) {
		var snapshots map[string]*xds.Snapshot
		next.Views, snapshots = c.compile(documents, last, wanted)
		c.snapshots.PublishAll(snapshots)
	}
	c.endpoints.Delete(remove...)
	c.current.Store(next)
	close(last.stale)
	if last.Documents != documents {
		c.log.Info("published", "revision", documents.Revision, "views", len(next.Views))
	}
}

// State is everything published at one moment. Immutable.
type State struct {
	Documents *config.Snapshot // nil before the first publication
	Instances *registry.Snapshot
	Views     map[string]*View // by key
	stale     chan struct{}    // closed when there is a newer one
}

func newState(documents *config.Snapshot, instances *registry.Snapshot) *State {
	return &State{Documents: documents, Instances: instances, stale: make(chan struct{})}
}

// assignmentsOf are the names of the assignments of a service's ports; none without a manifest.
func (s *State) assignmentsOf(service mesh.ServiceName) []string {
	manifest := s.Documents.Documents.Services[service]
	if manifest == nil {
		return nil
	}
	var names []string
	for _, port := range compile.ServedPortsOf(manifest) {
		names = append(names, envoy.AssignmentName(port.Target))
	}
	return names
}

// View is one view that some node has, or had a short while ago. Immutable.
type View struct {
	Node     mesh.Node
	Revision mesh.Revision // of the documents its snapshot was made from; "" when there is none
	// Err says why this revision cannot be compiled for the view, which then keeps its last snapshot.
	Err     error
	Origins map[xds.Ref]mesh.Origin
	// Unreachable is what the documents call and this kind of client cannot reach.
	Unreachable []ir.Unreachable
}
