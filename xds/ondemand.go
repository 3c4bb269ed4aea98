package xds

import (
	"maps"
	"slices"
)

// A pool with onDemand may be asked for resources that nobody has made yet. A name that is asked for
// and is not in the pool is undecided from its first subscription until it is published, is declared not
// to exist, or nobody asks for it any more. Streams neither answer undecided names nor report their
// removal.

// unknownNames notes as undecided, and returns, those of canonical names that are not in the collection
// and that nobody has asked for. The caller holds the pool's lock.
func (c *collection) unknownNames(names []string) []string {
	if c.pool.onDemand == nil {
		return nil
	}
	var unknown []string
	for _, name := range names {
		if c.index[name] != nil || c.table.find(name) != nil {
			continue
		}
		if c.undecided == nil {
			c.undecided = map[string]struct{}{}
		}
		c.undecided[name] = struct{}{}
		unknown = append(unknown, name)
	}
	return unknown
}

// demand asks for resources that are undecided by now.
func (p *pool) demand(typeURL string, names []string) {
	var missing []string
	for _, name := range names {
		if !p.onDemand(Ref{typeURL, name}) {
			missing = append(missing, name)
		}
	}
	p.decide(typeURL, missing)
}

// decide says that names do not exist.
func (p *pool) decide(typeURL string, names []string) {
	if p.onDemand == nil || len(names) == 0 {
		return
	}
	p.mu.Lock()
	var affected []*subscription
	if c := p.collections[typeURL]; c != nil {
		affected = c.decide(names)
	}
	watchers := watchersOf(affected)
	p.mu.Unlock()
	wakeAll(watchers)
}

// decide returns the subscriptions that asked for names that were undecided. The caller holds the
// pool's lock.
func (c *collection) decide(names []string) []*subscription {
	affected := map[*subscription]struct{}{}
	for _, name := range names {
		name = canonicalName(name)
		if _, was := c.undecided[name]; !was {
			continue
		}
		delete(c.undecided, name)
		for s := range c.index[name] {
			affected[s] = struct{}{}
		}
	}
	for s := range affected {
		s.content = &content{table: s.content.table, position: s.content.position, undecided: c.stillUndecided(s)}
	}
	return slices.Collect(maps.Keys(affected))
}

// decideChanged takes note that what was published exists. The caller holds the pool's lock.
func (c *collection) decideChanged(changes []change) {
	if len(c.undecided) == 0 {
		return
	}
	for _, ch := range changes {
		if ch.new == nil {
			continue
		}
		delete(c.undecided, ch.name)
		for _, entry := range ch.new.further {
			delete(c.undecided, entry.furtherName())
		}
	}
}

// undecidedOf returns which names of a new subscription are undecided.
func (c *collection) undecidedOf(s *subscription) []string { return c.onlyUndecided(s.names) }

// stillUndecided returns which names of a subscription are undecided, all of which were so before.
func (c *collection) stillUndecided(s *subscription) []string {
	return c.onlyUndecided(s.content.undecided)
}

func (c *collection) onlyUndecided(names []string) []string {
	if len(c.undecided) == 0 {
		return nil
	}
	var undecided []string
	for _, name := range names {
		if _, is := c.undecided[name]; is {
			undecided = append(undecided, name)
		}
	}
	return undecided
}

// undecidedAs returns the content with the given undecided names; itself when there are none.
func (c *content) undecidedAs(names []string) *content {
	if len(names) == 0 {
		return c
	}
	return &content{table: c.table, position: c.position, undecided: names}
}

// isUndecided says whether it is not known yet whether name, which was asked for, exists.
func (c *content) isUndecided(name string) bool {
	if len(c.undecided) == 0 {
		return false
	}
	_, found := slices.BinarySearch(c.undecided, name)
	return found
}

// undecidedOf returns those of names that are undecided.
func (w *watch) undecidedOf(names []string) []string {
	return slices.DeleteFunc(names, func(name string) bool { return !w.want.isUndecided(name) })
}

// awaitsDecision says whether an answer that is owed has to wait: in state-of-the-world, a response
// without a resource says that it does not exist (C054).
func (w *watch) awaitsDecision() bool {
	return !w.session.delta && !w.wildcard && len(w.want.undecided) > 0
}
