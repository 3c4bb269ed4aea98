package xds

import (
	"time"
)

// withheldChange is a change that has to wait.
type withheldChange struct {
	name     string
	version  string // of the withheld resource; "" for a removal
	since    time.Time
	waits    []Ref // what it waits for
	reason   string
	rejected bool              // the client rejected what it waits for, so there is no deadline
	counts   time.Time         // when the OrderTimeout began
	need     map[*watch]uint64 // the positions that have to be acknowledged
	cleared  time.Time         // of a removal: since when nothing refers to the resource
	due      time.Time         // when it is checked again without any other event; zero for never
	seen     bool              // by the current check
}

// The values of Hold.Reason.
const (
	reasonUnacknowledged = "not acknowledged yet"
	reasonRejected       = "rejected by the client"
	reasonStillUsed      = "still used by what the client has"
	reasonGrace          = "waits a moment for the client to let go"
)

// check decides which changes of one watch have to wait at one moment.
type check struct {
	watch    *watch
	now      time.Time
	blockers *blockers       // computed when first needed
	removals map[string]bool // by name: whether the removal has to wait; computed when first needed
}

func (g *group) check(w *watch, now time.Time) *check {
	for _, h := range w.withheld {
		h.seen = false
	}
	w.checked = g.epoch
	return &check{watch: w, now: now}
}

// done deletes the entries of changes that do not wait any more.
func (c *check) done(sel *selection) {
	for name, h := range c.watch.withheld {
		if !h.seen && sel.saw(name) {
			delete(c.watch.withheld, name)
		}
	}
}

// withholds reports whether a change has to wait.
func (c *check) withholds(ch change) bool {
	if ch.new == nil {
		if c.removals == nil {
			c.withholdRemovals()
		}
		return c.removals[ch.name]
	}
	return len(ch.new.references) > 0 && c.withholdsAddition(ch)
}

// withholdsAddition reports whether a resource has to wait for something that it refers to.
func (c *check) withholdsAddition(ch change) bool {
	p := c.watch
	h := c.known(ch)
	wasRejected := h.rejected
	h.waits, h.rejected = h.waits[:0], false
	var end time.Time // by when the client should have subscribed to what the change waits for
	for _, ref := range ch.new.references {
		switch q := p.session.group.watchOf(p.session, ref, c.now); {
		case c.comesBefore(ref, ch.name):
			if q != nil || !c.soonAsked(ref) {
				c.await(h, ref, 0, false)
				continue
			}
			h.waits = append(h.waits, ref)
			if p.returning(c.now) {
				end = p.returned.Add(p.session.rules.removalGrace)
			}
		case q != nil && q.outdated(ref.Name) && q.want != nil && q.want.get(ref.Name) != nil:
			h.waits = append(h.waits, ref) // the client would use the outdated resource with that name
		}
	}
	if wasRejected && !h.rejected {
		h.counts = c.now
	}
	h.due, h.reason = earlier(end, h.counts.Add(p.session.rules.orderTimeout)), reasonUnacknowledged
	if h.rejected {
		h.reason = reasonRejected
		if !p.hasUnknownState() {
			h.due = time.Time{}
		}
	}
	return c.keep(h, len(h.waits) > 0 && (h.due.IsZero() || c.now.Before(h.due)))
}

// comesBefore reports whether the client needs the resource that ref names before it gets the one called name, which is
// of the watch's type and refers to it.
func (c *check) comesBefore(ref Ref, name string) bool {
	p := c.watch
	if ref.Type != p.typeURL {
		return kindOf(ref.Type).rank < p.rank
	}
	return !p.hasUnknownState() && !c.leadsTo(ref, name, 0)
}

// soonAsked reports whether the client is likely to subscribe to the type of ref soon, because it reconnected, or one of
// its streams ended, a moment ago.
func (c *check) soonAsked(ref Ref) bool {
	p := c.watch
	return (p.returning(c.now) || p.session.group.isAbsent(ref.Type, c.now)) && p.session.published(ref)
}

// returning reports whether the client reconnected a moment ago, so that it may not have sent all its subscriptions yet.
func (w *watch) returning(now time.Time) bool {
	return !w.returned.IsZero() && now.Before(w.returned.Add(w.session.rules.removalGrace))
}

// known returns the entry of a change that waits already, or else a new entry.
func (c *check) known(ch change) *withheldChange {
	if h := c.watch.withheld[ch.name]; h != nil && (h.version == "") == (ch.new == nil) {
		if h.version != versionOf(ch.new) {
			h.version, h.need = versionOf(ch.new), nil
		}
		return h
	}
	return &withheldChange{name: ch.name, version: versionOf(ch.new), since: c.now, counts: c.now}
}

// keep stores h if the change waits, and returns waits.
func (c *check) keep(h *withheldChange, waits bool) bool {
	if waits {
		h.seen = true
		if c.watch.withheld == nil {
			c.watch.withheld = map[string]*withheldChange{}
		}
		c.watch.withheld[h.name] = h
	}
	return waits
}

// maxDepth limits how far references are followed.
const maxDepth = 8

// leadsTo reports whether the resource that ref names refers to name, directly or through others of the same type.
// Resources that refer to each other do not wait for each other.
func (c *check) leadsTo(ref Ref, name string, depth int) bool {
	if ref.Name == name || depth > maxDepth {
		return true
	}
	r := c.watch.want.get(ref.Name)
	if r == nil {
		return false
	}
	for _, further := range r.references {
		if further.Type == ref.Type && c.leadsTo(further, name, depth+1) {
			return true
		}
	}
	return false
}

// await adds to h what the client lacks to use the resource that ref names: the resource itself, and what that refers to
// in turn, such as the endpoints of a cluster. parentGoes says that the resource which refers to ref is about to be
// replaced.
func (c *check) await(h *withheldChange, ref Ref, depth int, parentGoes bool) {
	s := c.watch.session
	q := s.group.watchOf(s, ref, c.now)
	var r *Resource
	if q != nil && q.want != nil {
		r = q.want.get(ref.Name)
	}
	switch {
	case depth > maxDepth:
	case r == nil:
		// A client subscribes to the endpoints of a cluster when it has the cluster. It subscribes to what the
		// change itself refers to (depth 0) when it has the change.
		if depth > 0 && (s.published(ref) || parentGoes && (q == nil || !q.keeps(ref.Name))) {
			h.waits = append(h.waits, ref)
		}
	case q.isRejected(change{name: ref.Name, new: r}):
		h.waits, h.rejected = append(h.waits, ref), true
	case !h.satisfied(q, ref.Name, r):
		h.waits = append(h.waits, ref)
	case q.retained[ref.Name] != nil && q.retained[ref.Name].usable:
	default:
		has, current := q.current(q.acked.get(ref.Name))
		if has.placeholder {
			has, current = r, true
		}
		for _, further := range has.references {
			c.await(h, further, depth+1, !current)
		}
	}
}

// satisfied reports whether the client has acknowledged the resource called name, in the current version or in any
// version since the wait began. So a resource that changes all the time does not block others forever.
func (h *withheldChange) satisfied(q *watch, name string, current *Resource) bool {
	if !q.keeps(name) || q.repeating(name) {
		return false
	}
	if sameContent(q.acked.get(name), current) {
		return true
	}
	need, noted := h.need[q]
	if !noted {
		if h.need == nil {
			h.need = map[*watch]uint64{}
		}
		h.need[q] = q.want.position
		return false
	}
	return q.position >= need
}

// withholdRemovals decides which removals wait (C093): those of resources that the client may still use, and those of
// names that the client subscribes to until it has had time to unsubscribe. Resources that refer to each other are
// removed together.
func (c *check) withholdRemovals() {
	c.removals = map[string]bool{}
	parents := map[string][]Ref{} // by name: the removed resources of the same type that refer to it
	for ch := range c.watch.sent.changes(c.watch.want.table) {
		if ch.new != nil || ch.old.isUnknownState() && c.watch.sendsWhole() {
			continue
		}
		blocking := c.blocking(ch.name)
		var others []blocker
		for _, b := range blocking {
			if b.ref.Type == c.watch.typeURL && b.removed {
				parents[ch.name] = append(parents[ch.name], b.ref)
			} else {
				others = append(others, b)
			}
		}
		c.removals[ch.name] = c.withholdsRemoval(ch, others)
	}
	for again := len(parents) > 0; again; {
		again = false
		for name, of := range parents {
			for _, ref := range of {
				if !c.removals[name] && c.removals[ref.Name] {
					again = true
					c.removals[name] = c.withholdsRemoval(change{name: name}, []blocker{{ref: ref}})
				}
			}
		}
	}
}

// withholdsRemoval reports whether the removal of a resource has to wait, because others still refer to it or did so a
// moment ago.
func (c *check) withholdsRemoval(ch change, others []blocker) bool {
	p := c.watch
	h := c.known(ch)
	h.waits, h.due = h.waits[:0], time.Time{}
	for _, b := range others {
		h.waits = append(h.waits, b.ref)
		h.due = earlier(h.due, b.until)
	}
	if len(h.waits) > 0 {
		h.reason, h.cleared = reasonStillUsed, time.Time{}
		return c.keep(h, true)
	}
	grace := p.session.rules.removalGrace
	if p.returning(c.now) && len(p.users) > 0 {
		// The client may have resources that refer to this one and that it has not named yet.
		h.reason, h.cleared, h.due = reasonGrace, p.returned, p.returned.Add(grace)
		return c.keep(h, true)
	}
	waited := p.withheld[ch.name] == h
	silent := !p.session.delta && !p.sendsWhole() // the protocol cannot express the removal
	if !waited || silent || !p.named(ch.name) {
		return false
	}
	if h.cleared.IsZero() {
		h.cleared = c.now
	}
	h.reason, h.due = reasonGrace, h.cleared.Add(grace)
	return c.keep(h, c.now.Before(h.due))
}
