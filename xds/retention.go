package xds

import (
	"slices"
	"time"
)

// A client that accepts a resource does not always use it at once: Envoy uses a new listener when
// its routes have come, a new cluster when its endpoints have come. Until then it goes on with the
// one that it had, and with all that one refers to. A retention is the versions of a resource that
// the client may still use besides the one that it acknowledged last. It ends when the client has
// all that the acknowledged one refers to, directly and further on.
type retention struct {
	versions []*Resource
	usable   bool      // the client has all that one of them refers to
	since    time.Time // of the last version
	due      time.Time // when it ends at the latest: zero as long as that depends on an ACK
}

// maxRetained bounds the versions of one resource. Beyond it, those between the first, which is the most
// likely to be in use, and the last are forgotten.
const maxRetained = 16

// usableBefore returns the names of resources that a response replaces by others which refer to less, and that the
// client can use at the moment at which the response is sent. Of those that become complete afterwards nobody
// knows whether the client had read the response by then.
func (w *watch) usableBefore(now time.Time, d *difference) []string {
	if !d.leaves && len(w.stale) == 0 {
		return nil
	}
	var names []string
	for _, ch := range d.changes {
		if ch.old == nil {
			ch.old = w.stale[ch.name]
		}
		if ch.new != nil && ch.leaves() && !ch.old.placeholder && w.session.group.readiness(w.session, ch.old, false, now, 0) == ready {
			names = append(names, ch.name)
		}
	}
	return names
}

// retain keeps the versions that an acknowledged response replaced, where the client may still use them.
func (w *watch) retain(now time.Time, f *pendingResponse) {
	acknowledged := f.list
	if !acknowledged.leaves && !acknowledged.claims && len(w.retained)+len(w.stale) == 0 {
		return
	}
	unknown := false // nobody knows what was replaced
	if acknowledged.claims {
		first, found := acknowledged.find(unknownState)
		unknown = found && first.old.isUnknownState()
	}
	for _, ch := range acknowledged.changes {
		if unknown && ch.old == nil && ch.new != nil && len(ch.new.references) > 0 {
			ch.old = placeholder(w.typeURL, ch.name, "")
		}
		if ch.old == nil {
			ch.old = w.stale[ch.name]
		}
		if ch.new == nil || ch.new.wire == nil {
			delete(w.retained, ch.name)
			continue
		}
		kept := w.retained[ch.name]
		if kept == nil && !ch.leaves() {
			continue
		}
		if r, current := w.current(ch.new); w.session.group.readiness(w.session, r, current, now, 0) == ready {
			delete(w.retained, ch.name)
			continue
		}
		if ch.leaves() {
			kept = w.retainVersion(now, ch.name, ch.old)
			_, usable := slices.BinarySearch(f.usable, ch.name)
			kept.usable = kept.usable || usable
		}
		kept.usable = kept.usable && !w.rejections.mayLack(ch.name)
	}
}

// leaves says whether the old resource refers to something that the new one does not.
func (ch change) leaves() bool {
	if ch.old == nil || ch.old == ch.new {
		return false
	}
	if ch.old.placeholder {
		return true
	}
	if ch.new == nil {
		return len(ch.old.references) > 0
	}
	return !containsRefs(ch.new.references, ch.old.references)
}

// containsRefs says whether all holds every one of some. It is quick when they are the same.
func containsRefs(all, some []Ref) bool {
	if len(some) == 0 || slices.Equal(all, some) {
		return true
	}
	for _, ref := range some {
		if !slices.Contains(all, ref) {
			return false
		}
	}
	return true
}

// retainRefused keeps what was refused with others: clients use the good resources of a response
// that they refuse (C040), and nobody knows which those are.
func (w *watch) retainRefused(now time.Time, refused *difference, names []string) {
	if len(names) < 2 {
		return
	}
	for _, ch := range refused.changes {
		if ch.new != nil && len(ch.new.references) > 0 && ch.new != ch.old {
			w.retainVersion(now, ch.name, ch.new)
		}
	}
}

func (w *watch) retainVersion(now time.Time, name string, r *Resource) *retention {
	if w.retained == nil {
		w.retained = map[string]*retention{}
	}
	kept := w.retained[name]
	if kept == nil {
		kept = &retention{}
		w.retained[name] = kept
	}
	kept.since, kept.due = now, time.Time{}
	if len(kept.versions) >= maxRetained {
		kept.versions = slices.Delete(kept.versions, 1, 2)
	}
	kept.versions = append(kept.versions, r)
	return kept
}

// release ends the retentions whose time has come.
func (g *group) release(now time.Time) {
	for _, s := range g.sessions {
		for _, w := range s.watches {
			for name, kept := range w.retained {
				if !w.released(now, name, kept) {
					continue
				}
				delete(w.retained, name)
				g.changed(nil)
			}
		}
	}
}

// released says whether the client no longer uses an older version of name.
func (w *watch) released(now time.Time, name string, kept *retention) bool {
	if _, refused := w.refusedVersion(name); refused || w.repeating(name) {
		return false
	}
	if w.acked.get(name) == nil {
		return true
	}
	kept.due = time.Time{}
	switch w.session.group.readinessWith(w.session, w, name, now, 0) {
	case ready:
		return true
	case expected:
		kept.due = kept.since.Add(w.session.rules.orderTimeout)
		return !now.Before(kept.due)
	}
	return false
}

// refusedVersion returns the version of name that the client refused last, if any.
func (w *watch) refusedVersion(name string) (version string, refused bool) {
	if w.rejections != nil {
		version, refused = w.rejections.refused[name]
	}
	return version, refused
}

// readiness is how far a client is with what a resource refers to.
type readiness int

const (
	ready    readiness = iota // it has all that is published
	expected                  // it is about to ask for something
	lacking                   // something that it asked for is not acknowledged, or was refused
)

// current says whether r, which the client has, is what there is for it, and returns it as it is
// published: its references may have been corrected.
func (w *watch) current(r *Resource) (*Resource, bool) {
	if w.want == nil {
		return r, true
	}
	if now := w.want.get(r.name); sameContent(now, r) {
		return now, true
	}
	return r, false
}

// readiness follows the references of r to the end, or to the first that is lacking. What is not published
// is not waited for, if r is current, and else r is replaced before it comes.
func (g *group) readiness(s *session, r *Resource, current bool, now time.Time, depth int) readiness {
	if depth > maxDepth {
		return ready
	}
	worst := ready
	for _, ref := range r.references {
		worst = max(worst, g.readinessOf(s, ref, current, now, depth))
		if worst == lacking {
			break
		}
	}
	return worst
}

func (g *group) readinessOf(s *session, ref Ref, current bool, now time.Time, depth int) readiness {
	q := g.watchOf(s, ref, now)
	asked := q != nil && q.want != nil && q.want.get(ref.Name) != nil
	// What a placeholder refers to is not known, so it counts as what the client does not have.
	switch kept := q != nil && q.keeps(ref.Name) && !q.acked.get(ref.Name).placeholder && !q.repeating(ref.Name); {
	case !kept && asked:
		return lacking
	case !kept && s.published(ref):
		return expected
	case !kept && current:
		return ready
	case !kept:
		return lacking
	case q.retained[ref.Name] != nil && q.retained[ref.Name].usable:
		return ready
	}
	return g.readinessWith(s, q, ref.Name, now, depth+1)
}

// readinessWith is how far the client is with what the version of name that it acknowledged refers to. If another
// is on its way, that has to be complete, too: a client that reads it before the first is complete uses neither.
func (g *group) readinessWith(s *session, q *watch, name string, now time.Time, depth int) readiness {
	has, next := q.acked.get(name), q.sent.get(name)
	r, current := q.current(has)
	worst := g.readiness(s, r, current, now, depth)
	if next != nil && next != has && worst != lacking {
		r, current = q.current(next)
		worst = max(worst, g.readiness(s, r, current, now, depth))
	}
	return worst
}
