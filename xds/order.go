package xds

import (
	"time"
)

// hold is a change that waits, or a removal in its grace.
type hold struct {
	name     string
	version  string // of what waits; "" for a removal
	since    time.Time
	waits    []Ref
	reason   string
	rejected bool              // what it needs was refused: no deadline
	need     map[*place]uint64 // positions to be acknowledged
	cleared  time.Time         // removal: when its parents had been replaced
	due      time.Time         // when it goes by itself; zero for never
	seen     bool
}

// Reasons of holds, as people read them.
const (
	reasonUnacknowledged = "not acknowledged yet"
	reasonRefused        = "refused by the client"
	reasonStillUsed      = "still used by what the client has"
	reasonGrace          = "waits a moment for the client to let go"
)

// check decides, for one place at one moment, which changes wait.
type check struct {
	place   *place
	now     time.Time
	leaving map[Ref][]Ref // what a change will no longer refer to -> who still does
}

func (g *group) check(p *place, now time.Time) *check {
	if p.trouble != nil {
		for _, h := range p.trouble.holds {
			h.seen = false
		}
	}
	return &check{place: p, now: now}
}

// done forgets the holds of changes that are no longer wanted or were let go.
func (c *check) done(sel *selection) {
	if c.place.trouble == nil {
		return
	}
	for name, h := range c.place.holds {
		if !h.seen && sel.saw(name) {
			delete(c.place.holds, name)
		}
	}
	c.place.finish()
}

// holds says whether a change has to wait.
func (c *check) holds(ch change) bool {
	if ch.new == nil {
		return c.holdsRemoval(ch)
	}
	if len(ch.new.references) == 0 {
		return false
	}
	h := c.known(ch)
	h.waits, h.rejected = h.waits[:0], false
	for _, ref := range ch.new.references {
		if kindOf(ref.Type).rank < c.place.rank {
			c.await(h, ref, 0)
		}
	}
	h.due = time.Time{}
	if !h.rejected {
		h.due = h.since.Add(c.place.session.rules.orderTimeout)
	}
	h.reason = reasonUnacknowledged
	if h.rejected {
		h.reason = reasonRefused
	}
	return c.keep(h, len(h.waits) > 0 && (h.rejected || c.now.Before(h.due)))
}

// known returns the hold of a change, a new one when it does not wait yet.
func (c *check) known(ch change) *hold {
	if t := c.place.trouble; t != nil {
		if h := t.holds[ch.name]; h != nil && (h.version == "") == (ch.new == nil) {
			if h.version != versionOf(ch.new) {
				h.version, h.need = versionOf(ch.new), nil
			}
			return h
		}
	}
	return &hold{name: ch.name, version: versionOf(ch.new), since: c.now}
}

// keep enters h among the holds if it waits, and returns whether it does.
func (c *check) keep(h *hold, waits bool) bool {
	if waits {
		h.seen = true
		c.place.needTrouble().holds[h.name] = h
	}
	return waits
}

// maxDepth bounds how far references are followed.
const maxDepth = 4

// await adds to h what it has to wait for so that ref is of use to the client: ref itself
// and, in turn, what that needs, such as the endpoints of a cluster.
func (c *check) await(h *hold, ref Ref, depth int) {
	q := c.place.session.group.placeOf(c.place.session, ref)
	if q == nil || q.want == nil || q == c.place || depth > maxDepth {
		return
	}
	r := q.want.get(ref.Name)
	if r == nil {
		if depth > 0 && !q.wildcard && q.elsewhere != nil && q.elsewhere.get(ref.Name) != nil {
			h.waits = append(h.waits, ref) // the client is about to ask for it
		}
		return
	}
	if q.isParked(change{name: ref.Name, new: r}) {
		h.waits, h.rejected = append(h.waits, ref), true
		return
	}
	if !h.satisfied(q, ref.Name, r) {
		h.waits = append(h.waits, ref)
		return
	}
	for _, further := range r.references {
		c.await(h, further, depth+1)
	}
}

// satisfied says whether the client has acknowledged name as it is, or as it was when the
// wait began or later: what changes all the time does not hold up others for ever.
func (h *hold) satisfied(q *place, name string, current *Resource) bool {
	has := q.acked.get(name)
	if sameContent(has, current) {
		return true
	}
	need, noted := h.need[q]
	if !noted {
		if h.need == nil {
			h.need = map[*place]uint64{}
		}
		h.need[q] = q.want.position
		return false
	}
	return has != nil && q.position >= need
}

// holdsRemoval says whether a removal has to wait: for the ACK of what replaces those who
// refer to it, and, where the client asks for the name itself, for a moment after it (C093).
func (c *check) holdsRemoval(ch change) bool {
	p := c.place
	h := c.known(ch)
	h.waits = append(h.waits[:0], c.parents(Ref{p.typeURL, ch.name})...)
	if len(h.waits) > 0 {
		h.reason, h.cleared, h.due = reasonStillUsed, time.Time{}, time.Time{}
		return c.keep(h, true)
	}
	waited := p.trouble != nil && p.trouble.holds[ch.name] == h
	silent := !p.session.delta && !p.sendsWhole() // it cannot be said, only counted as done
	if !waited || silent || !p.named(ch.name) {
		return false
	}
	if h.cleared.IsZero() {
		h.cleared = c.now
	}
	h.reason, h.due = reasonGrace, h.cleared.Add(p.session.rules.removalGrace)
	return c.keep(h, c.now.Before(h.due))
}

// holdsGone says whether the removal of a name the client knew from another server has to
// wait: until it has acknowledged all of the types that may refer to it, and, since what it
// had of those there is not known, for a fixed grace. What nothing refers to does not wait.
func (c *check) holdsGone(name string) bool {
	if len(c.place.users) == 0 {
		return false
	}
	rules := c.place.session.rules
	h := c.known(change{name: name})
	if end := h.since.Add(rules.orderTimeout); c.usersBehind() && c.now.Before(end) {
		h.reason, h.cleared, h.due = reasonStillUsed, time.Time{}, end
		return c.keep(h, true)
	}
	if h.cleared.IsZero() {
		h.cleared = c.now
	}
	h.reason, h.due = reasonGrace, h.cleared.Add(rules.removalGrace)
	return c.keep(h, c.now.Before(h.due))
}

// usersBehind says whether the client may still have, of a type that may refer to the place's,
// what it brought from another server.
func (c *check) usersBehind() bool {
	for _, typeURL := range c.place.users {
		for _, q := range c.place.session.group.places(typeURL) {
			if q.flight != nil || len(q.gone) > 0 || q.trouble == nil && q.want != nil && q.acked.sum != q.want.sum {
				return true
			}
		}
	}
	return false
}

// parents returns what the node's streams still have that refers to ref and is being replaced
// by something that does not.
func (c *check) parents(ref Ref) []Ref {
	if c.leaving == nil {
		c.leaving = map[Ref][]Ref{}
		for _, s := range c.place.session.group.sessions {
			for _, q := range s.places {
				if q.typeURL == c.place.typeURL || q.want == nil {
					continue
				}
				c.noteLeaving(q, q.acked)
				if q.flight != nil {
					c.noteLeaving(q, q.sent) // it has that as soon as it has read it
				}
			}
		}
	}
	return c.leaving[ref]
}

func (c *check) noteLeaving(q *place, has *content) {
	if has.sum == q.want.sum {
		return
	}
	for _, ch := range q.want.since(has, q.shared).changes {
		if ch.old == nil {
			continue
		}
		for _, ref := range ch.old.references {
			if ref.Type == c.place.typeURL && !ch.new.refersTo(ref) {
				c.leaving[ref] = append(c.leaving[ref], Ref{q.typeURL, ch.name})
			}
		}
	}
}
