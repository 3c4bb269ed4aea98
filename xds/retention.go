package xds

import (
	"slices"
	"time"
)

// A client that accepts a resource does not always use it at once: Envoy uses a new listener when it has the listener's
// routes, and a new cluster when it has the cluster's endpoints. Until then it uses the former version, and everything
// that the former version refers to. A retention is the former versions of a resource that the client may still use. It
// ends when the client has everything that the acknowledged version refers to, directly and indirectly.
type retention struct {
	versions []*Resource
	usable   bool      // the client has everything that one of the versions refers to
	since    time.Time // when the last version was added
	due      time.Time // when the retention ends at the latest; zero while it depends on an ACK
}

// maxRetained limits the versions of one resource. Beyond it, versions in the middle are forgotten: the first one is the
// most likely to be in use.
const maxRetained = 16

// usableBefore returns the names of the resources that a response replaces by versions with fewer references, and whose
// former versions the client can use at the moment when the response is sent. If a former version becomes usable later,
// the server cannot know whether the client had read the response by then.
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

// retain retains the versions that an acknowledged response replaced and that the client may still use.
func (w *watch) retain(now time.Time, f *pendingResponse) {
	acknowledged := f.list
	if !acknowledged.leaves && !acknowledged.claims && len(w.retained)+len(w.stale) == 0 {
		return
	}
	unknown := false // the replaced versions are not known
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

// leaves reports whether the old resource refers to something that the new one does not refer to.
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

// containsRefs reports whether all contains each element of some. It is fast if they are equal.
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

// retainRejected retains the resources of a rejected response that has several. Clients use the valid resources of a
// response that they reject (C040), and do not say which those are.
func (w *watch) retainRejected(now time.Time, rejected *difference, names []string) {
	if len(names) < 2 {
		return
	}
	for _, ch := range rejected.changes {
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

// release ends the retentions that are not needed any more.
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

// released reports whether the client no longer uses a former version of name.
func (w *watch) released(now time.Time, name string, kept *retention) bool {
	if _, rejected := w.rejectedVersion(name); rejected || w.repeating(name) {
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

// rejectedVersion returns the version of name that the client rejected last, if any.
func (w *watch) rejectedVersion(name string) (version string, rejected bool) {
	if w.rejections != nil {
		version, rejected = w.rejections.rejected[name]
	}
	return version, rejected
}

// readiness says whether a client has what a resource refers to.
type readiness int

const (
	ready    readiness = iota // it has everything that is published
	expected                  // it is about to subscribe to something
	lacking                   // something that it subscribes to is not acknowledged, or was rejected
)

// current reports whether r, which the client has, is the current version, and returns the published resource: its
// references may have been corrected.
func (w *watch) current(r *Resource) (*Resource, bool) {
	if w.want == nil {
		return r, true
	}
	if now := w.want.get(r.name); sameContent(now, r) {
		return now, true
	}
	return r, false
}

// readiness follows the references of r until one is lacking. A reference to something that is not published is ignored
// if r is current, and lacking if not: r will be replaced before the client can get what it refers to.
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
	// A placeholder counts as something that the client lacks, because its references are not known.
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

// readinessWith says whether the client has what the acknowledged version of name refers to. If another version has been
// sent, the client has to have what that refers to as well: if it reads the second version before the first is usable,
// it uses neither.
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
