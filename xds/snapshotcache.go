package xds

import "sync"

// SnapshotCacheOptions may be left zero.
type SnapshotCacheOptions struct {
	// View chooses the snapshot a node gets, by what the node says of itself, its address, or its
	// authenticated identity; the default is the node's ID. It is called for every
	// type and each change of a subscription, and after Reassign, from any goroutine, with locks
	// of the stream held: it has to be quick, must not call the Server, and should answer the
	// same for a node until Reassign.
	View func(*Node) string
	// OnDemand is called when a stream asks for a name that the snapshot of its view does not have,
	// unless another stream of the view asks for it already. It returns false if no such resource exists,
	// as it does when it is nil. If it returns true, the name is not answered until a snapshot has it or
	// NotFound says that it does not exist. It is called as View is, but may call the cache.
	OnDemand func(view string, ref Ref) bool
}

// SnapshotCache holds one consistent snapshot for each view. Its methods may be called
// from any goroutine; they return when the change is current and never wait for a client.
type SnapshotCache struct {
	o      SnapshotCacheOptions
	mu     sync.Mutex // guards the rest; held for moments only, and taken before a pool's lock
	views  map[string]*viewPool
	movers movers
}

// viewPool is the pool of one view and the snapshot it is filled from.
type viewPool struct {
	*pool
	publishing sync.Mutex // serializes publications to the view; taken before the cache's lock
	snapshot   *Snapshot  // guarded by the cache's lock
}

// NewSnapshotCache returns a cache without snapshots.
func NewSnapshotCache(o SnapshotCacheOptions) *SnapshotCache {
	if o.View == nil {
		o.View = func(n *Node) string { return n.ID }
	}
	return &SnapshotCache{o: o, views: map[string]*viewPool{}}
}

// Publish makes s the snapshot of a view. What did not change is not sent again. A nil snapshot
// removes the view's, as Remove does; an empty one takes everything away from its clients.
func (c *SnapshotCache) Publish(view string, s *Snapshot) {
	c.PublishAll(map[string]*Snapshot{view: s})
}

// PublishAll publishes to several views. A nil snapshot removes the view's, as Remove does.
// Each view changes in one step; different views change one after another.
func (c *SnapshotCache) PublishAll(views map[string]*Snapshot) {
	for name, s := range views {
		c.publish(name, s)
	}
}

// publish holds the cache's lock only to find the view: requests of other views, and what else
// needs the cache, do not wait until a publication to many views is done.
func (c *SnapshotCache) publish(name string, s *Snapshot) {
	v := c.beginPublishing(name, s)
	defer v.publishing.Unlock()
	if s != nil {
		v.replaceAll(s.tables)
	}
}

// beginPublishing sets the snapshot of a view, or withdraws it, and returns the view's pool with
// its publishing lock held.
func (c *SnapshotCache) beginPublishing(name string, s *Snapshot) *viewPool {
	for {
		c.mu.Lock()
		v := c.viewPool(name)
		c.mu.Unlock()
		v.publishing.Lock()
		c.mu.Lock()
		if c.views[name] != v { // it was forgotten meanwhile
			c.mu.Unlock()
			v.publishing.Unlock()
			continue
		}
		if v.snapshot = s; s == nil {
			v.withdraw()
			c.forgetIfUnused(name, v)
		}
		c.mu.Unlock()
		return v
	}
}

// Remove takes a view's snapshot away. Its clients keep what they have, and what they ask for is
// not answered until there is a snapshot again.
func (c *SnapshotCache) Remove(view string) { c.Publish(view, nil) }

// NotFound says that resources for which OnDemand returned true do not exist in a view. Others are ignored.
func (c *SnapshotCache) NotFound(view string, refs ...Ref) {
	c.mu.Lock()
	v := c.views[view]
	c.mu.Unlock()
	if v == nil {
		return
	}
	for _, ref := range refs {
		v.decide(ref.Type, []string{ref.Name})
	}
}

// Snapshot returns the snapshot of a view, nil when it has none.
func (c *SnapshotCache) Snapshot(view string) *Snapshot {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v := c.views[view]; v != nil {
		return v.snapshot
	}
	return nil
}

// Reassign says that View may now answer otherwise. Open streams follow: a node whose
// view is another one is sent the difference as ordinary, ordered changes.
func (c *SnapshotCache) Reassign() {
	c.mu.Lock()
	moved := c.movers.all()
	c.mu.Unlock()
	for _, f := range moved {
		f()
	}
}

func (c *SnapshotCache) poolFor(node *Node, _, _ string) *pool {
	name := c.o.View(node)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.viewPool(name).pool
}

func (c *SnapshotCache) split(string) bool { return false }

func (c *SnapshotCache) onMove(moved func()) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := c.movers.add(moved)
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.movers.funcs, id)
	}
}

// viewPool returns the pool of a view, made when there is none. The caller holds mu.
func (c *SnapshotCache) viewPool(name string) *viewPool {
	v := c.views[name]
	if v == nil {
		v = &viewPool{pool: newPool(false)}
		if c.o.OnDemand != nil {
			v.onDemand = func(ref Ref) bool { return c.o.OnDemand(name, ref) }
		}
		v.onEmpty = func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.forgetIfUnused(name, v)
		}
		c.views[name] = v
	}
	return v
}

// forgetIfUnused drops the pool of a view without snapshot and streams. The caller holds mu.
func (c *SnapshotCache) forgetIfUnused(name string, v *viewPool) {
	if v.snapshot == nil && v.unused() && c.views[name] == v {
		delete(c.views, name)
	}
}

// withdraw makes the pool as if nothing had been published: clients keep what they have.
func (p *pool) withdraw() {
	p.mu.Lock()
	p.ready = false
	watchers := watchersOf(p.allSubscriptions())
	p.mu.Unlock()
	wakeAll(watchers) // who waits for their ACK need not any more
}

func (p *pool) unused() bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.subscribers == 0
}
