package control

import (
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// maxViews limits the number of views. Nodes choose how they identify themselves, so one client could request any
// number of views. Beyond the limit a node is sent nothing and keeps what it has.
const maxViews = 1 << 16

// View is the status of one view. Immutable.
type View struct {
	// Revision is the revision of the documents from which its snapshot was made, or from which the same bytes would
	// result; "" without a snapshot.
	Revision mesh.Revision
	// Behind says that the view's documents have changed and its new snapshot is not published yet.
	Behind bool
	// Err says why the view's documents cannot be compiled for it. It then keeps its last snapshot.
	Err error
	// Unreachable are the targets that the documents call and this kind of client cannot reach.
	Unreachable []ir.Unreachable
	// NotApplied are the settings in the documents that this kind of client does not support.
	NotApplied []ir.NotApplied
}

// identity is a node's decoded metadata, and the key of its view. Immutable.
type identity struct {
	node mesh.Node
	key  string
	err  error
}

// identify decodes a node's metadata. Nodes with equal keys get the same resources from the same documents. Zone and
// network are not in the key, since they change no resource of a view.
func identify(node *xds.Node) *identity {
	n, err := envoy.NodeFromMetadata(node.Proto)
	if err != nil {
		return &identity{err: err}
	}
	anywhere := n
	anywhere.Zone, anywhere.Network = "", ""
	key, err := json.Marshal(anywhere) // map keys are sorted, so equal nodes have equal keys
	return &identity{node: n, key: string(key), err: err}
}

// use is one view, of a node's key and a revision, and the number of streams that use it.
type use struct {
	// Fixed.
	key    string           // of the view: the node's key, and the revision where it is pinned
	node   mesh.Node        // as in the node's key
	pinned *config.Snapshot // nil when the view follows the accepted documents

	// Guarded by the lock of views.
	streams  int       // that have it
	awaited  int       // streams that are to move to it
	since    time.Time // when it was last asked for, or a stream ended
	compiled bool
	view     View             // but for its revision
	from     *config.Snapshot // what its snapshot was made from, where it is behind or cannot be compiled; nil without one
}

// current reports whether the view's snapshot is made from its current documents. The caller holds the lock of views.
func (u *use) current() bool { return u.compiled && !u.view.Behind && u.view.Err == nil }

// member is the node of an open stream.
type member struct {
	*identity
	use  *use // the view that it has; nil until it asks
	next *use // the view that it is to move to once that is current; nil when it is to stay
}

// views keeps track of which nodes have which views. The xDS server's streams write it, and the loop reads it.
type views struct {
	asked     chan struct{} // one slot: there is a view that the loop has not seen
	revisions atomic.Pointer[Revisions]

	mu      sync.Mutex
	uses    map[string]*use // by key
	added   []*use          // those that the loop has not seen
	members map[*xds.Node]*member
	streams map[string]int  // open streams by node ID
	gone    map[string]Gone // by node ID
}

// maxGone limits the nodes that are remembered after they left: any client can connect with any number of node IDs.
const maxGone = 10_000

// Gone is a node that was connected and is not now.
type Gone struct {
	Node     *xds.Node
	At       time.Time
	identity *identity
}

func newViews() *views {
	return &views{
		asked: make(chan struct{}, 1), uses: map[string]*use{}, members: map[*xds.Node]*member{},
		streams: map[string]int{}, gone: map[string]Gone{},
	}
}

// keyOf returns the key of a node's view, for streams and for fetches. A node that does not identify itself has a
// view that is never published: it is sent nothing and keeps what it has.
//
// A node that is to get another revision stays in its view until the other one is current. Otherwise it could be sent
// something older meanwhile, or nothing if the other one cannot be compiled.
func (v *views) keyOf(node *xds.Node) string {
	id := v.identity(node)
	if id.err != nil {
		return ""
	}
	key, pinned := v.viewKey(node, id)
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.uses[key]
	if u == nil {
		if u = v.add(key, id.node, pinned); u == nil {
			return ""
		}
	}
	u.since = time.Now()
	m := v.members[node]
	if m == nil {
		return key
	}
	v.move(m, u)
	return m.use.key
}

// move moves a member to a view, now or once that view is current. The caller holds mu.
func (v *views) move(m *member, to *use) {
	m.stay()
	switch {
	case m.use == to:
	case m.use == nil || to.current():
		m.leave()
		m.use = to
		to.streams++
	default:
		m.next = to
		to.awaited++
	}
}

// stay cancels a member's move to another view. The caller holds the lock of views.
func (m *member) stay() {
	if m.next != nil {
		m.next.awaited--
		m.next = nil
	}
}

// leave takes a member out of its view. The caller holds the lock of views.
func (m *member) leave() {
	if m.use != nil {
		m.use.streams--
		m.use.since = time.Now()
		m.use = nil
	}
}

// awaited reports whether members wait to move to a view that is current now.
func (v *views) awaited(u *use) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return u.awaited > 0 && u.current()
}

// viewKey returns the key of the view that a node should have now: that of its identity, and the revision if it is
// pinned to one.
func (v *views) viewKey(node *xds.Node, id *identity) (key string, pinned *config.Snapshot) {
	if pinned = v.revisions.Load().pin(node, id.node); pinned == nil {
		return id.key, nil
	}
	return id.key + "@" + string(pinned.Revision), pinned
}

// add creates a view and notifies the loop; nil if there are too many. The caller holds mu.
func (v *views) add(key string, node mesh.Node, pinned *config.Snapshot) *use {
	if len(v.uses) >= maxViews {
		return nil
	}
	node.Zone, node.Network = "", ""
	u := &use{key: key, node: node, pinned: pinned}
	v.uses[key] = u
	v.added = append(v.added, u)
	select {
	case v.asked <- struct{}{}:
	default:
	}
	return u
}

// nodes returns the nodes of all open streams.
func (v *views) nodes() []mesh.Node {
	v.mu.Lock()
	defer v.mu.Unlock()
	all := make([]mesh.Node, 0, len(v.members))
	for _, m := range v.members {
		all = append(all, m.node)
	}
	return all
}

// identity returns a node's identity. It is decoded once for a stream's node, and remembered after the node left.
func (v *views) identity(node *xds.Node) *identity {
	v.mu.Lock()
	m, gone := v.members[node], v.gone[node.ID]
	v.mu.Unlock()
	switch {
	case m != nil:
		return m.identity
	case gone.Node == node:
		return gone.identity
	}
	return identify(node)
}

// open notes that a stream of node has opened. Its view is kept until close.
func (v *views) open(node *xds.Node) {
	id := identify(node)
	if id.err != nil {
		return
	}
	v.mu.Lock()
	v.members[node] = &member{identity: id}
	v.streams[node.ID]++
	delete(v.gone, node.ID)
	v.mu.Unlock()
}

// close notes that a stream of node has ended.
func (v *views) close(node *xds.Node) {
	v.mu.Lock()
	defer v.mu.Unlock()
	m := v.members[node]
	if m == nil {
		return
	}
	m.stay()
	m.leave()
	delete(v.members, node)
	if v.streams[node.ID]--; v.streams[node.ID] == 0 {
		delete(v.streams, node.ID)
		if len(v.gone) < maxGone {
			v.gone[node.ID] = Gone{node, time.Now(), m.identity}
		}
	}
}

// left returns the nodes that disconnected a short while ago.
func (v *views) left() []Gone {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.AppendSeq(make([]Gone, 0, len(v.gone)), maps.Values(v.gone))
}

// takeAdded returns the views that were added since the last call.
func (v *views) takeAdded() []*use {
	v.mu.Lock()
	defer v.mu.Unlock()
	added := v.added
	v.added = nil
	return added
}

// sweep forgets the views that no node has used, and the nodes that have been gone, since before, except expected
// nodes. It returns the views.
func (v *views) sweep(before time.Time, expected map[string]bool) []*use {
	v.mu.Lock()
	defer v.mu.Unlock()
	maps.DeleteFunc(v.gone, func(id string, g Gone) bool { return g.At.Before(before) && !expected[id] })
	var unused []*use
	for key, u := range v.uses {
		if u.streams == 0 && u.awaited == 0 && u.since.Before(before) {
			delete(v.uses, key)
			unused = append(unused, u)
		}
	}
	return unused
}

// drop forgets a view if no node has it, and reports whether it did.
func (v *views) drop(u *use) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if u.streams > 0 || u.awaited > 0 || v.uses[u.key] != u {
		return false
	}
	delete(v.uses, u.key)
	return true
}

// set updates the status of a view. from is the documents of its snapshot if they are not the current ones, and nil
// without a snapshot.
func (v *views) set(u *use, view View, from *config.Snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u.compiled, u.view, u.from = true, view, from
}

// ofNode does what get does, for the view of a node. While the node is to move to another view, it says why that one
// is not current.
func (v *views) ofNode(node *xds.Node, id *identity) (view View, from *config.Snapshot, ok bool) {
	v.mu.Lock()
	m := v.members[node]
	if m == nil || m.use == nil {
		v.mu.Unlock()
		key, _ := v.viewKey(node, id)
		return v.get(key)
	}
	key, next := m.use.key, m.next
	var err error
	if next != nil {
		err = next.view.Err
	}
	v.mu.Unlock()
	view, from, ok = v.get(key)
	if next != nil {
		view.Behind, view.Err = true, err
	}
	return view, from, ok
}

// get returns the status of the view with that key, and the documents of its snapshot, nil without one. It is not ok
// if there is no such view or if it is not compiled yet.
func (v *views) get(key string) (view View, from *config.Snapshot, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	u := v.uses[key]
	if u == nil || !u.compiled {
		return View{}, nil, false
	}
	view, from = u.view, u.from
	if !view.Behind && view.Err == nil { // views that a new revision does not change are not touched when it comes
		if from = u.pinned; from == nil {
			from = v.revisions.Load().Accepted
		}
	}
	if from != nil {
		view.Revision = from.Revision
	}
	return view, from, true
}

// failed returns the number of views whose documents cannot be compiled for them.
func (v *views) failed() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	n := 0
	for _, u := range v.uses {
		if u.view.Err != nil {
			n++
		}
	}
	return n
}
