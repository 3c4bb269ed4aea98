package control

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// views knows which views connected nodes have. The xDS server's streams write it, the loop reads it.
type views struct {
	asked chan struct{} // one slot: there is a view that the loop has not seen

	mu   sync.Mutex
	use  map[string]*use // by key
	gone map[string]Gone // by node ID
}

// Gone is a node that was connected a short while ago and is not now.
type Gone struct {
	Node *xds.Node
	At   time.Time
}

// use is who has a view.
type use struct {
	node  mesh.Node
	nodes map[*xds.Node]bool // one a stream
	since time.Time          // when it was last asked for, or a node left
}

func newViews() views {
	return views{asked: make(chan struct{}, 1), use: map[string]*use{}, gone: map[string]Gone{}}
}

// Key names the view of a node. Nodes that say the same of themselves have the same. It is an error
// when the node does not say who it is.
func Key(node *xds.Node) (string, mesh.Node, error) {
	n, err := envoy.NodeFromMetadata(node.Proto)
	if err != nil {
		return "", n, err
	}
	key, err := json.Marshal(n) // map keys are sorted, so equal nodes have equal keys
	return string(key), n, err
}

// of is the view that a node has, whether it asks on a stream or fetches. A node that does not say who it
// is has a view that is never published: it is sent nothing and keeps what it has.
func (v *views) of(node *xds.Node) string {
	key, n, err := Key(node)
	if err != nil {
		return ""
	}
	v.mu.Lock()
	v.useOf(key, n).since = time.Now()
	v.mu.Unlock()
	select {
	case v.asked <- struct{}{}:
	default:
	}
	return key
}

// useOf is the use of a view, begun if need be. The caller holds mu.
func (v *views) useOf(key string, node mesh.Node) *use {
	u := v.use[key]
	if u == nil {
		u = &use{node: node, nodes: map[*xds.Node]bool{}}
		v.use[key] = u
	}
	return u
}

// hold tells that a stream of node has begun: its view stays until release.
func (v *views) hold(node *xds.Node) {
	key, n, err := Key(node)
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.useOf(key, n).nodes[node] = true
	delete(v.gone, node.ID)
}

// release tells that a stream of node has ended.
func (v *views) release(node *xds.Node) {
	key, _, err := Key(node)
	if err != nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.use[key]
	if u == nil {
		return
	}
	delete(u.nodes, node)
	u.since = time.Now()
	for other := range u.nodes {
		if other.ID == node.ID {
			return
		}
	}
	v.gone[node.ID] = Gone{Node: node, At: u.since}
}

// left are the nodes that were connected a short while ago and are not now.
func (v *views) left() []Gone {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Collect(maps.Values(v.gone))
}

// sweep forgets the views that nobody has had, and the nodes that have been gone, since before.
func (v *views) sweep(before time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.use, func(_ string, u *use) bool { return len(u.nodes) == 0 && u.since.Before(before) })
	maps.DeleteFunc(v.gone, func(_ string, g Gone) bool { return g.At.Before(before) })
}

// dropUndescribed forgets the views that no node has and that the documents do not describe: they cannot be
// compiled, and nobody waits for them.
func (v *views) dropUndescribed(documents *config.Documents) {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.use, func(_ string, u *use) bool {
		described := documents.Services[u.node.Service] != nil
		if u.node.Role == mesh.EdgeProxy {
			described = documents.Edges[u.node.Edge] != nil
		}
		return len(u.nodes) == 0 && !described
	})
}

// wanted is every view to keep published, with the node that describes it.
func (v *views) wanted() map[string]mesh.Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	nodes := make(map[string]mesh.Node, len(v.use))
	for key, u := range v.use {
		nodes[key] = u.node
	}
	return nodes
}

func sameViews(wanted map[string]mesh.Node, have map[string]*View) bool {
	if len(wanted) != len(have) {
		return false
	}
	for key := range wanted {
		if have[key] == nil {
			return false
		}
	}
	return true
}
