package xds

import (
	"slices"
	"sync"
)

// A group is the streams of one node on this server: what one of them acknowledged counts
// for the others. Its lock guards all their sessions.
type group struct {
	mu       sync.Mutex
	sessions []*session
	pools    []*pool // scratch space of load
	members  int     // guarded by the server's lock
}

// add takes a stream in.
func (g *group) add(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s.group = g
	g.sessions = append(g.sessions, s)
}

// remove takes a stream out that ended. What waited for it looks again.
func (g *group) remove(s *session) {
	g.sessions = slices.DeleteFunc(g.sessions, func(o *session) bool { return o == s })
	g.recheck(nil)
}

// recheck lets everything that waits look again.
func (g *group) recheck(except *session) {
	for _, s := range g.sessions {
		waits := false
		for _, p := range s.places {
			if p.trouble != nil {
				p.idle, waits = nil, true
			}
		}
		if waits && s != except {
			s.waker.wake()
		}
	}
}

// maxStreamsOfNode is how many streams may be one node's. More are taken for a fleet in
// which all gave themselves the same ID, and each orders for itself.
const maxStreamsOfNode = 32

// load looks at what there is: at all of a pool in one moment, at one pool after the other.
// No two are locked at once, so the order does not matter.
func (g *group) load() {
	g.pools = g.pools[:0]
	for _, s := range g.sessions {
		for _, p := range s.places {
			for _, part := range p.parts {
				if !slices.Contains(g.pools, part.collection.pool) {
					g.pools = append(g.pools, part.collection.pool)
				}
			}
		}
	}
	for _, pool := range g.pools {
		pool.mu.RLock()
		for _, s := range g.sessions {
			for _, p := range s.places {
				p.read(pool)
			}
		}
		pool.mu.RUnlock()
	}
	for _, s := range g.sessions {
		for _, p := range s.places {
			p.combine()
		}
	}
}

// places yields the places of other types and streams that ask for a type.
func (g *group) places(typeURL string) []*place {
	var all []*place
	for _, s := range g.sessions {
		if p := s.place(typeURL); p != nil {
			all = append(all, p)
		}
	}
	return all
}

// placeOf returns the place that counts for s of what ref names: one that has it to give, its
// own before another stream's. A client may ask for resources of one type on a stream each, as
// Envoy does outside of ADS.
func (g *group) placeOf(s *session, ref Ref) *place {
	all := g.places(ref.Type)
	if own := s.place(ref.Type); own != nil {
		all = slices.Insert(all, 0, own)
	}
	for _, p := range all {
		if p.want != nil && p.want.get(ref.Name) != nil {
			return p
		}
	}
	if len(all) > 0 {
		return all[0]
	}
	return nil
}

// mayHold says whether some change of d might have to wait. It is a quick look that errs
// towards yes.
func (g *group) mayHold(p *place, d *difference) bool {
	for _, s := range g.sessions {
		for _, q := range s.places {
			if q != p && (q.flight != nil || q.trouble != nil || q.want != nil && q.acked.sum != q.want.sum) {
				return true
			}
		}
	}
	return false
}
