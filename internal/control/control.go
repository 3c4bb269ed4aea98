package control

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/report"
	"github.com/doyen-mesh/doyen/xds"
)

// Instances returns the registry's current snapshot.
type Instances interface {
	Snapshot() *registry.Snapshot
}

// Reports returns what proxies have reported.
type Reports interface {
	Snapshot() *report.Snapshot
}

// Inputs are what a Control combines. Each gives immutable values with a channel that closes when the value is stale.
type Inputs struct {
	Documents Documents
	Instances Instances
	Reports   Reports
	// Shared says that other servers have the same instances, so that their proxies may be connected to those servers.
	Shared bool
}

// Control publishes the resources that result from documents and instances.
type Control struct {
	// Fixed after construction.
	inputs    Inputs
	log       *slog.Logger
	snapshots *xds.SnapshotCache
	viewers   *viewers
	endpoints *xds.LinearCache // the assignments for clients without a zone
	source    *xds.Mux
	caches    *caches
	views     *views
	ready     chan struct{}
	started   time.Time

	current atomic.Pointer[State]
}

// New returns a Control that has published nothing yet.
func New(inputs Inputs, log *slog.Logger) *Control {
	c := &Control{
		inputs: inputs, log: log,
		caches:  &caches{compile.NewCache(), envoy.NewCache()},
		views:   newViews(),
		ready:   make(chan struct{}),
		started: time.Now(),
	}
	c.viewers, c.endpoints = newViewers()
	c.snapshots = xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: c.views.keyOf})
	c.source = xds.NewMux(xds.MuxOptions{
		Types:   map[string]xds.Source{xds.EndpointType: c.endpoints},
		Nodes:   map[string]func(*xds.Node) xds.Source{xds.EndpointType: c.assignmentsFor},
		Default: c.snapshots,
	})
	c.current.Store(&State{stale: make(chan struct{})})
	return c
}

// assignmentsFor returns the assignments for a node. One that does not identify itself gets no clusters, and so asks
// for none.
func (c *Control) assignmentsFor(node *xds.Node) xds.Source {
	id := c.views.identity(node)
	if id.err != nil {
		return c.endpoints
	}
	return c.viewers.cacheOf(id.node)
}

// Source returns what the xDS server serves.
func (c *Control) Source() xds.Source { return c.source }

// Callbacks returns callbacks that count the nodes of each view. The xDS server must call them.
func (c *Control) Callbacks() xds.Callbacks {
	return xds.Callbacks{
		StreamOpen: func(_ context.Context, s xds.StreamInfo) error {
			c.views.open(s.Node)
			return nil
		},
		StreamClose: func(s xds.StreamInfo, _ error) { c.views.close(s.Node) },
	}
}

// Ready is closed once the documents in force and the instances known at the start are published. A client that was
// served earlier would get an emptier mesh than there is.
func (c *Control) Ready() <-chan struct{} { return c.ready }

// State returns the inputs that are published now. It is safe for concurrent use.
func (c *Control) State() *State { return c.current.Load() }

// View returns the identity of a node and the status of its view. ok is false if it has no view yet. An error says
// why nothing is sent to the node.
func (c *Control) View(node *xds.Node) (n mesh.Node, view View, ok bool, err error) {
	id := c.views.identity(node)
	if id.err != nil {
		return mesh.Node{}, View{}, false, id.err
	}
	view, _, ok = c.views.ofNode(node, id)
	return id.node, view, ok, nil
}

// Origins returns the places in documents that caused the resources of a node, including assignments. The first
// place of a resource shows why the node has it, and the others what determined its content. Each call computes
// them anew, which costs as much as compiling the view.
func (c *Control) Origins(node *xds.Node) map[xds.Ref][]mesh.Origin {
	id := c.views.identity(node)
	if id.err != nil {
		return nil
	}
	_, from, _ := c.views.ofNode(node, id)
	if from == nil {
		return nil
	}
	proxy, err := compile.Compile(&from.Documents, mesh.View{Node: id.node, Revision: from.Revision})
	if err != nil {
		return nil
	}
	return envoy.Origins(proxy)
}

// Failed returns the number of views that keep an earlier revision because the current one cannot be compiled for them.
func (c *Control) Failed() int { return c.views.failed() }

// Gone returns the nodes that disconnected within the last ten minutes, or earlier if they are the proxies of registered
// instances.
func (c *Control) Gone() []Gone { return c.views.left() }

// Published waits until the service's current instances are published, and returns the names of their assignments.
func (c *Control) Published(ctx context.Context, service mesh.ServiceName) ([]string, error) {
	now := c.inputs.Instances.Snapshot().Sequence()
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

// State is the inputs at one moment, all of whose endpoints are published. Views follow when they are compiled.
// Immutable.
type State struct {
	Documents *config.Snapshot // accepted; nil before the first publication
	Instances *registry.Snapshot
	Reports   *report.Snapshot // what proxies had said by then
	Shared    bool             // as in Inputs
	stale     chan struct{}    // closed when there is a newer one
}

// Stale returns a channel that closes when there is a newer state.
func (s *State) Stale() <-chan struct{} { return s.stale }

// assignmentsOf returns the names of the assignments of a service's ports; none if the service has no manifest.
func (s *State) assignmentsOf(service mesh.ServiceName) []string {
	manifest := s.Documents.Documents.Services.Get(service)
	if manifest == nil {
		return nil
	}
	var names []string
	for _, port := range compile.ServedPortsOf(&s.Documents.Documents, manifest) {
		names = append(names, envoy.AssignmentName(port.Target))
	}
	return names
}
