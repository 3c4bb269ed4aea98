package xds

import (
	"slices"
	"sync"
)

// A pool is resources that are published together: one view of a snapshot cache, or a
// linear cache. All its collections change in one step, under one lock, which is held for
// memory work only.
type pool struct {
	mu          sync.RWMutex
	ready       bool   // false until something was published: clients wait for it (C060)
	position    uint64 // counts publications
	collections map[string]*collection
	onEmpty     func()         // called without locks when the last subscription is gone; may be nil
	recovery    *recovery      // not nil while clients may have resources that are not here yet; see recovery.go
	onDemand    func(Ref) bool // called without the pool's lock; nil: what is not here does not exist
	subscribers int
}

// collection is all resources of one type in a pool, and who asked for them.
type collection struct {
	pool          *pool
	typeURL       string
	table         *table
	published     *table                                // what was published last: the same resources, perhaps in other chunks
	subscriptions map[uint64][]*subscription            // by hash of what they ask for
	wildcards     []*subscription                       // those that want everything
	index         map[string]map[*subscription]struct{} // name -> those that ask for it
	undecided     map[string]struct{}                   // canonical names asked for that may come to exist; see ondemand.go
}

func newPool(ready bool) *pool {
	return &pool{ready: ready, collections: map[string]*collection{}}
}

// collection returns that of a type. The caller holds mu for writing.
func (p *pool) collection(typeURL string) *collection {
	c := p.collections[typeURL]
	if c == nil {
		c = &collection{
			pool: p, typeURL: typeURL, table: emptyTable, published: emptyTable,
			subscriptions: map[uint64][]*subscription{},
			index:         map[string]map[*subscription]struct{}{},
		}
		p.collections[typeURL] = c
	}
	return c
}

// forgetIfUnused lets go of a collection that has nothing and that nobody asks for. The caller holds
// the pool's lock for writing.
func (c *collection) forgetIfUnused() {
	if c.table.count == 0 && len(c.subscriptions) == 0 {
		delete(c.pool.collections, c.typeURL)
	}
}

// publish makes tables current, as one step, and wakes the streams whose subscriptions changed.
// Types that tables does not name stay as they are.
func (p *pool) publish(tables map[string]*table) {
	p.mu.Lock()
	first := !p.ready
	p.ready = true
	p.position++
	var affected []*subscription
	for typeURL, t := range tables {
		c := p.collection(typeURL)
		affected = c.replace(t, affected)
		c.forgetIfUnused()
	}
	if first {
		affected = p.allSubscriptions()
	}
	watchers := watchersOf(affected)
	wake := wakeAll
	if len(watchers) < fewStreams && areEndpoints(affected) {
		wake = wakeFirst // clients must not go on calling an instance because many routes change meanwhile
	}
	p.mu.Unlock()
	wake(watchers)
}

func areEndpoints(all []*subscription) bool {
	return !slices.ContainsFunc(all, func(s *subscription) bool { return s.collection.typeURL != EndpointType })
}

// replaceAll is publish for tables that are all there is: other types become empty.
func (p *pool) replaceAll(tables map[string]*table) {
	p.mu.RLock()
	all := make(map[string]*table, len(tables))
	for typeURL, c := range p.collections {
		if c.table.count > 0 {
			all[typeURL] = emptyTable
		}
	}
	p.mu.RUnlock()
	for typeURL, t := range tables {
		all[typeURL] = t
	}
	p.publish(all)
}

func (p *pool) allSubscriptions() []*subscription {
	var all []*subscription
	for _, c := range p.collections {
		for _, same := range c.subscriptions {
			all = append(all, same...)
		}
	}
	return all
}

func watchersOf(affected []*subscription) []waker {
	total := 0
	for _, s := range affected {
		total += len(s.watchers)
	}
	watchers := make([]waker, 0, total)
	for _, s := range affected {
		for _, at := range s.watchers {
			watchers = append(watchers, at.watch.session.waker)
		}
	}
	return watchers
}

// rebased returns a table with the resources of t that shares its chunks with the collection's table,
// unless most of it changed or there is only one chunk. Publishers often make snapshots anew; without this, each stream would have
// to compare all resources with what its client has.
func (c *collection) rebased(t *table, changes []change) *table {
	if 2*len(changes) > t.count || len(t.chunks) == 1 {
		return t
	}
	return c.table.with(changes)
}

// replace makes t the collection's table, brings the subscriptions that ask for what
// changed up to date, and appends them to affected. The caller holds the pool's lock.
func (c *collection) replace(t *table, affected []*subscription) []*subscription {
	changes := slices.Collect(c.published.replacements(t))
	c.published = t
	if c.pool.recovery != nil {
		c.pool.recovery.note(t, changes)
	}
	if len(changes) == 0 {
		return affected
	}
	t = c.rebased(t, changes)
	c.table = t
	c.decideChanged(changes)
	touched := map[*subscription][]change{}
	touch := func(name string, ch change) {
		for s := range c.index[name] {
			touched[s] = append(touched[s], ch)
		}
	}
	for _, ch := range changes {
		if ch.old.hasFurther() { // who asks by a name that the resource no longer has loses it
			for _, entry := range ch.old.further {
				touch(entry.furtherName(), change{name: ch.name})
			}
		}
		touch(ch.name, ch)
		if ch.new.hasFurther() {
			for _, entry := range ch.new.further {
				touch(entry.furtherName(), ch)
			}
		}
	}
	whole := &content{table: t, position: c.pool.position}
	for _, s := range c.wildcards {
		s.content = whole.undecidedAs(c.stillUndecided(s))
		affected = append(affected, s)
		delete(touched, s)
	}
	for s, its := range touched {
		s.content = &content{table: s.content.table.with(its), position: c.pool.position, undecided: c.stillUndecided(s)}
		affected = append(affected, s)
	}
	return affected
}
