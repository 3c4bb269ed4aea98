package xds

import (
	"maps"
	"slices"
	"time"
)

// A blocker is a resource because of which the removal of another has to wait: the client has it,
// or may have it, it refers to the other, and it is to be replaced by one that does not.
type blocker struct {
	ref     Ref
	removed bool      // it is to be removed, not replaced
	until   time.Time // when it does not count any more, for its stream hangs or has ended; zero for never
}

// blockers are all blockers of resources of one type on the streams of a client.
type blockers struct {
	typeURL string
	now     time.Time
	byRef   map[string][]blocker // by the name that they refer to
	any     []blocker            // placeholders, which may refer to all
}

// blocking returns the blockers of the removal of name.
func (c *check) blocking(name string) []blocker {
	if c.blockers == nil {
		c.blockers = &blockers{typeURL: c.watch.typeURL, now: c.now, byRef: map[string][]blocker{}}
		own := c.watch.session
		for _, s := range own.group.sessions {
			if s != own && s.hung(c.now) {
				continue
			}
			for _, q := range s.watches {
				if q.want != nil {
					c.blockers.collect(q, s != own)
				}
			}
		}
		for q, until := range own.group.absent(c.now) {
			c.blockers.collectAbsent(q, until)
		}
	}
	b := c.blockers
	if name == unknownState {
		return slices.Concat(append(slices.Collect(maps.Values(b.byRef)), b.any)...)
	}
	if len(b.any) == 0 {
		return b.byRef[name]
	}
	var all []blocker
	for _, other := range b.any {
		if other.ref != (Ref{b.typeURL, name}) {
			all = append(all, other)
		}
	}
	return append(all, b.byRef[name]...)
}

// collect adds what the client has, may have soon, or may still use of a type.
func (b *blockers) collect(q *watch, sibling bool) {
	if q.acked.sum != q.want.sum {
		for _, ch := range q.want.since(q.acked, q.shared).changes {
			b.add(q, sibling, ch.name, ch.old, ch.new)
		}
	}
	if q.pending != nil && q.sent != q.acked && q.sent.sum != q.want.sum { // the client has that once it has read it
		for _, ch := range q.want.since(q.sent, q.shared).changes {
			b.add(q, sibling, ch.name, ch.old, ch.new)
		}
	}
	for name, kept := range q.retained {
		for _, r := range kept.versions {
			b.add(q, sibling, name, r, q.want.get(name))
		}
	}
}

// collectAbsent adds what the client had by a stream that ended. What is wanted of it is not known.
func (b *blockers) collectAbsent(q *watch, until time.Time) {
	for r := range q.acked.all() {
		b.note(blocker{ref: Ref{q.typeURL, r.name}, until: until}, r, nil)
	}
	for ch := range q.acked.changes(q.sent.table) {
		b.note(blocker{ref: Ref{q.typeURL, ch.name}, until: until}, ch.new, nil)
	}
	for name, kept := range q.retained {
		for _, r := range kept.versions {
			b.note(blocker{ref: Ref{q.typeURL, name}, until: until}, r, nil)
		}
	}
}

func (b *blockers) add(q *watch, sibling bool, name string, has, want *Resource) {
	entry := blocker{ref: Ref{q.typeURL, name}, removed: want == nil}
	if sibling {
		entry.until = q.session.hungAt()
	}
	b.note(entry, has, want)
}

// note enters a blocker under all that it refers to and that its successor does not.
func (b *blockers) note(entry blocker, has, want *Resource) {
	switch {
	case has == nil:
	case has.placeholder:
		if has.mayReferTo(Ref{b.typeURL, ""}) {
			b.any = append(b.any, entry)
		}
	default:
		for _, ref := range has.references {
			if ref.Type == b.typeURL && !want.refersTo(ref) {
				b.byRef[ref.Name] = append(b.byRef[ref.Name], entry)
			}
		}
	}
}
