package xds

import (
	"iter"
	"slices"
	"sync"
	"time"
)

// A group is the streams of one client process on this server: what one of them acknowledged counts
// for the others. Its lock guards all their sessions.
type group struct {
	mu       sync.Mutex
	sessions []*session
	pools    []*pool // scratch space of load
	epoch    uint64  // counts what may let something go that waits
	activity uint64  // counts what may change a status: requests, what is published, pushes, ends of streams
	departed []departure
	served   bool // see serves

	// Guarded by the server's lock.
	members []*stream
	process int // which of the node's processes this is, from 1
}

// A departure is a stream that ended while others of its client go on. The client keeps what it
// had by it, and most likely comes back for more, as when a stream reached its maximum age.
type departure struct {
	session *session
	until   time.Time // when it is forgotten
}

// remove takes a stream out that ended. What waited for it looks again.
func (g *group) remove(now time.Time, s *session) {
	g.activity++
	g.sessions = slices.DeleteFunc(g.sessions, func(o *session) bool { return o == s })
	g.departed = slices.DeleteFunc(g.departed, func(d departure) bool { return !now.Before(d.until) })
	if len(g.departed) < maxStreamsOfProcess {
		g.departed = append(g.departed, departure{s, now.Add(s.rules.orderTimeout)})
	}
	g.changed(nil)
}

// absent yields the watches of streams that ended a moment ago, of types that no stream asks for now,
// and until when they count.
func (g *group) absent(now time.Time) iter.Seq2[*watch, time.Time] {
	return func(yield func(*watch, time.Time) bool) {
		for _, d := range g.departed {
			if !now.Before(d.until) {
				continue
			}
			for _, w := range d.session.watches {
				if !g.watches(w.typeURL) && !yield(w, d.until) {
					return
				}
			}
		}
	}
}

// isAbsent says whether a stream that ended a moment ago asked for a type, and none does now.
func (g *group) isAbsent(typeURL string, now time.Time) bool {
	for p := range g.absent(now) {
		if p.typeURL == typeURL {
			return true
		}
	}
	return false
}

// watches says whether a stream asks for a type.
func (g *group) watches(typeURL string) bool {
	return slices.ContainsFunc(g.sessions, func(s *session) bool {
		w := s.watch(typeURL)
		return w != nil && !w.fresh
	})
}

// changed is called when something changed for which a withheld change may wait: an answer, a
// subscription, what is published, or a stream's end. All that waits is looked at again: by except,
// if not nil, in its present round, by the other streams soon.
func (g *group) changed(except *session) {
	g.epoch++
	for _, s := range g.sessions {
		if s != except && s.waits() {
			s.waker.wake()
		}
	}
}

// waits says whether something is withheld.
func (s *session) waits() bool {
	return slices.ContainsFunc(s.watches, func(w *watch) bool { return len(w.withheld)+len(w.retained) > 0 })
}

// load looks at what there is: at all of a pool in one moment, at one pool after the other.
// No two are locked at once, so the order does not matter.
func (g *group) load() {
	g.activity++
	g.pools = g.pools[:0]
	for _, s := range g.sessions {
		for _, w := range s.watches {
			for _, part := range w.parts {
				if !slices.Contains(g.pools, part.collection.pool) {
					g.pools = append(g.pools, part.collection.pool)
				}
			}
		}
	}
	for _, pool := range g.pools {
		pool.mu.RLock()
		for _, s := range g.sessions {
			for _, w := range s.watches {
				w.read(pool)
			}
		}
		pool.mu.RUnlock()
	}
	changed := false
	for _, s := range g.sessions {
		for _, w := range s.watches {
			changed = w.combine() || changed
		}
	}
	if changed {
		g.changed(nil)
	}
}

// published says whether what ref names is published for the session's node, asked for or not.
func (s *session) published(ref Ref) bool {
	p := s.source.poolFor(s.node, ref.Type, ref.Name)
	if p == nil {
		return false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	c := p.collections[ref.Type]
	return p.ready && c != nil && c.table.find(ref.Name) != nil
}

// watchOf returns the watch that counts for s of what ref names: one that has it to give, its
// own before another stream's, nil when no stream asks for the type. A client may ask for
// resources of one type on a stream each, as Envoy does outside of ADS.
func (g *group) watchOf(s *session, ref Ref, now time.Time) *watch {
	first := s.watch(ref.Type)
	if first != nil && (len(g.sessions) == 1 || first.want != nil && first.want.get(ref.Name) != nil) {
		return first
	}
	for _, o := range g.sessions {
		if o == s || o.hung(now) {
			continue
		}
		w := o.watch(ref.Type)
		if w != nil && w.want != nil && w.want.get(ref.Name) != nil {
			return w
		}
		if first == nil {
			first = w
		}
	}
	return first
}

// A stream hangs when its client has not answered a response for the OrderTimeout. Others of the client
// do not wait for it any longer.
func (s *session) hung(now time.Time) bool {
	at := s.hungAt()
	return !at.IsZero() && !now.Before(at)
}

// hungAt is when the stream will count as hung, zero when it has answered everything.
func (s *session) hungAt() time.Time {
	var at time.Time
	for _, w := range s.watches {
		if w.pending != nil {
			at = earlier(at, w.sentAt.Add(s.rules.orderTimeout))
		}
	}
	return at
}

// serves says whether the client uses, or used, listeners: before, nothing that is missing can be missed.
// A listener that waits for its routes is not used yet.
func (g *group) serves() bool {
	if g.served {
		return true
	}
	routes := false
	for _, s := range g.sessions {
		w := s.watch(RouteType)
		routes = routes || w != nil && w.acked.count > 0
	}
	for _, s := range g.sessions {
		w := s.watch(ListenerType)
		if w == nil {
			continue
		}
		for r := range w.acked.all() {
			g.served = g.served || routes || !r.waitsForRoutes()
		}
	}
	return g.served
}

// waitsForRoutes says whether clients use the resource only once they have routes for it.
func (r *Resource) waitsForRoutes() bool {
	return slices.ContainsFunc(r.references, func(ref Ref) bool { return ref.Type == RouteType || ref.Type == ScopedRouteType })
}

// mayWithhold says whether some change of d might have to wait. It is a quick look that errs
// towards yes.
func (g *group) mayWithhold(w *watch, d *difference, now time.Time) bool {
	if d.own || len(w.retained) > 0 || w.returning(now) {
		return true
	}
	for range g.absent(now) {
		return true
	}
	for _, s := range g.sessions {
		for _, q := range s.watches {
			if q != w && !q.settled() {
				return true
			}
		}
	}
	if !d.grows {
		return false
	}
	for _, ch := range d.changes {
		if ch.new == nil || ch.old != nil && containsRefs(ch.old.references, ch.new.references) {
			continue
		}
		for _, ref := range ch.new.references {
			if kindOf(ref.Type).rank < w.rank && !g.resolves(w.session, ref, now, 0) {
				return true
			}
		}
	}
	return false
}

// resolves says whether the client has what ref names and all that this refers to, when it has
// acknowledged all there is.
func (g *group) resolves(s *session, ref Ref, now time.Time, depth int) bool {
	q := g.watchOf(s, ref, now)
	if q == nil || q.want == nil {
		return !s.published(ref)
	}
	r := q.want.get(ref.Name)
	if r == nil {
		return !s.published(ref)
	}
	if depth > maxDepth {
		return true
	}
	for _, further := range r.references {
		if !g.resolves(s, further, now, depth+1) {
			return false
		}
	}
	return true
}

// settled says whether the client has acknowledged all there is of the type, and uses it.
func (w *watch) settled() bool {
	return w.pending == nil && w.rejections == nil && len(w.withheld)+len(w.retained)+len(w.parentChanged) == 0 &&
		(w.want == nil || w.acked.sum == w.want.sum)
}

// maxStreamsOfProcess is how many streams may be one process's. More are taken for a fleet in
// which all gave themselves the same ID, and each orders for itself.
const maxStreamsOfProcess = 32

// groupFor returns the one of a node's groups that a new stream belongs to, nil when it is of another process.
// Streams on one connection are one process's. A process may have several connections, but does not open
// two streams of one method on different ones: so that is a second process with the same node ID
// (a copied image), or one that came back before the end of its old connection was noticed. They are
// kept apart: neither waits for what the other acknowledges.
func groupFor(of []*group, st *stream) *group {
	var other *group
	for _, g := range of {
		if len(g.members) >= maxStreamsOfProcess {
			continue
		}
		elsewhere := false
		for _, m := range g.members {
			if m.info.Peer == st.info.Peer {
				return g
			}
			elsewhere = elsewhere || m.info.Method == st.info.Method
		}
		if !elsewhere {
			other = g
		}
	}
	return other
}

// newGroup returns a group beside a node's others.
func newGroup(of []*group) *group {
	g := &group{process: 1}
	for slices.ContainsFunc(of, func(o *group) bool { return o.process == g.process }) {
		g.process++
	}
	return g
}
