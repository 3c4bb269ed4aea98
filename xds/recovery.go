package xds

import (
	"maps"
	"slices"
)

// A cache that recovers may lack resources that clients have from before the server was started. A client
// that comes back says what it has: by name and version in delta, by the version of the whole
// subscription in state-of-the-world. Changes and removals of that are withheld until the cache has caught
// up with it: it has, or has had, the version that the client has. Names that a client does not have are
// served as they are, so that new resources reach old clients. Nothing is withheld beyond the recovery.

// recovery is what a pool that recovers has had so far.
type recovery struct {
	first    *table                         // what it held when it was first published
	versions map[string]map[string]struct{} // by name
}

// maxVersionsRecalled bounds how many versions of one name are remembered during a recovery.
const maxVersionsRecalled = 64

func newRecovery() *recovery { return &recovery{versions: map[string]map[string]struct{}{}} }

// note remembers what is published. The caller holds the pool's lock.
func (r *recovery) note(t *table, changes []change) {
	if r.first == nil {
		r.first = t
	}
	for _, ch := range changes {
		if ch.new == nil {
			continue
		}
		had := r.versions[ch.name]
		if had == nil {
			had = map[string]struct{}{}
			r.versions[ch.name] = had
		}
		if len(had) < maxVersionsRecalled {
			had[ch.new.version] = struct{}{}
		}
	}
}

// had says whether the pool has had a version of a name.
func (r *recovery) had(name, version string) bool {
	_, found := r.versions[name][version]
	return found
}

// catchUp is what a client that came back has and the cache has not caught up with. It is owned by the
// watch; its group's lock guards it.
type catchUp struct {
	names    []string          // canonical, sorted
	versions map[string]string // delta: by name
	whole    string            // state-of-the-world: of all names together

	masked *content // what withhold returned last, for these names and
	of     *content
}

// awaitCatchUp takes note of what a client has when it connects.
func (w *watch) awaitCatchUp(names []string, versions map[string]string, whole string) {
	if len(names) > 0 && len(w.parts) == 1 {
		w.catchUp = &catchUp{names: slices.Clone(names), versions: versions, whole: whole}
	}
}

func sortedNames(versions map[string]string) []string { return slices.Sorted(maps.Keys(versions)) }

// settleCatchUp drops the names with which pool, whose lock the caller holds, has caught up.
func (w *watch) settleCatchUp(pool *pool, s *subscription) {
	c := w.catchUp
	if pool.recovery == nil {
		w.catchUp = nil
		return
	}
	kept := slices.DeleteFunc(slices.Clone(c.names), func(name string) bool {
		if c.versions != nil {
			return pool.recovery.had(name, c.versions[name])
		}
		return c.isWhole(pool.recovery, s)
	})
	switch len(kept) {
	case 0:
		w.catchUp = nil
	case len(c.names):
	default:
		c.names, c.masked = kept, nil
	}
}

// isWhole says whether a subscription has, or had from the start, the version of a state-of-the-world client.
func (c *catchUp) isWhole(r *recovery, s *subscription) bool {
	if s.content == nil || s.content.sum.version() == c.whole {
		return s.content != nil
	}
	if r.first == nil {
		return false
	}
	var first []*Resource
	for _, name := range c.names {
		if resource := r.first.find(name); resource != nil {
			first = append(first, resource)
		}
	}
	return newTable(first).sum.version() == c.whole
}

// withhold returns want without what the client has, of which it is undecided what becomes of it.
func (c *catchUp) withhold(want *content) *content {
	if c.of == want && c.masked != nil {
		return c.masked
	}
	var hidden []change
	for _, name := range c.names {
		if r := want.find(name); r != nil {
			hidden = append(hidden, change{name: r.name})
		}
	}
	c.of = want
	c.masked = &content{table: want.with(hidden), position: want.position, undecided: mergeNames(want.undecided, c.names)}
	return c.masked
}

// awaitsCatchUp says whether changes of name are withheld from the client.
func (w *watch) awaitsCatchUp(name string) bool {
	if w.catchUp == nil {
		return false
	}
	_, found := slices.BinarySearch(w.catchUp.names, name)
	return found
}

// recovered ends the recovery of a pool, and with it all that is withheld for it.
func (p *pool) recovered() {
	p.mu.Lock()
	if p.recovery == nil {
		p.mu.Unlock()
		return
	}
	p.recovery = nil
	watchers := watchersOf(p.allSubscriptions())
	p.mu.Unlock()
	wakeAll(watchers)
}
