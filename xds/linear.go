package xds

import (
	"fmt"
	"slices"
	"sync"
)

// LinearCache holds resources of one type that every node may ask for. Each call is one
// step; calls may come from any goroutine and never wait for a client. To put a resource of
// another type is a programming error: Put, Update and Replace panic, since no response may
// hold it (C013), and the cache stays as it was.
type LinearCache struct {
	typeURL string
	mu      sync.Mutex // serialises writers
	table   *table
	filled  bool
	pool    *pool
}

// LinearCacheOptions may be left zero.
type LinearCacheOptions struct {
	// Unfilled: requests are not answered until Replace has been called. A program that needs time to
	// fill the cache sets it; otherwise clients that reconnect meanwhile are told that everything they
	// have was removed.
	Unfilled bool
	// OnDemand is called when a stream asks for a name that is not in the cache, unless another
	// stream asks for it already. It returns false if no such resource exists. If it returns true, the
	// name is not answered until the resource has been put, or deleted, which says that it does not
	// exist. It is called from any goroutine with locks of the stream held: it must be quick and must not
	// call the Server. It may call the cache.
	OnDemand func(name string) bool
	// Recovering: the cache may not have all resources yet that clients have from before the program was
	// started, or from another server. What a client has when it connects is neither changed nor removed
	// until the cache has, or has had, the same version of it, or until Recovered is called. Everything else
	// is answered as usual.
	Recovering bool
}

// NewLinearCache returns an empty cache for a type. It answers from the start: a name
// that is not in it does not exist.
func NewLinearCache(typeURL string) *LinearCache {
	return NewLinearCacheWith(typeURL, LinearCacheOptions{})
}

// NewLinearCacheWith is NewLinearCache with options.
func NewLinearCacheWith(typeURL string, o LinearCacheOptions) *LinearCache {
	c := &LinearCache{typeURL: typeURL, table: emptyTable, pool: newPool(!o.Unfilled), filled: !o.Unfilled}
	if o.OnDemand != nil {
		c.pool.onDemand = func(ref Ref) bool { return o.OnDemand(ref.Name) }
	}
	if o.Recovering {
		c.pool.recovery = newRecovery()
	}
	return c
}

// Recovered ends what LinearCacheOptions.Recovering began: clients get whatever the cache has.
func (c *LinearCache) Recovered() { c.pool.recovered() }

// Put adds resources or replaces those of the same names.
func (c *LinearCache) Put(r ...*Resource) { c.Update(r, nil) }

// Delete removes resources. Of names that are not in the cache it says that they do not exist, which
// matters only with LinearCacheOptions.OnDemand.
func (c *LinearCache) Delete(names ...string) { c.Update(nil, names) }

// Update deletes and puts, in this order, as one step.
func (c *LinearCache) Update(put []*Resource, del []string) {
	changes := make([]change, 0, len(put)+len(del))
	for _, name := range del {
		changes = append(changes, change{name: canonicalName(name)})
	}
	c.mustBeOfType(put)
	for _, r := range put {
		changes = append(changes, change{name: r.name, new: r})
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(c.table.with(changes))
	c.pool.decide(c.typeURL, slices.DeleteFunc(slices.Clone(del), func(name string) bool { return c.table.get(canonicalName(name)) != nil }))
}

// Replace makes all the only resources there are, but for names that OnDemand promised.
func (c *LinearCache) Replace(all []*Resource) {
	c.mustBeOfType(all)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filled = true
	c.set(newTable(all))
}

func (c *LinearCache) mustBeOfType(all []*Resource) {
	for _, r := range all {
		if r.typeURL != c.typeURL {
			panic(fmt.Sprintf("xds: resource %q is of type %q, the linear cache of %q", r.name, r.typeURL, c.typeURL))
		}
	}
}

func (c *LinearCache) set(t *table) {
	c.table = t
	if !c.filled {
		return // Replace will publish everything
	}
	c.pool.publish(map[string]*table{c.typeURL: t})
}

// Get returns the resource called name, nil when there is none.
func (c *LinearCache) Get(name string) *Resource { return c.current().get(canonicalName(name)) }

// Resources returns everything by name.
func (c *LinearCache) Resources() []*Resource { return slices.Collect(c.current().all()) }

func (c *LinearCache) current() *table {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.table
}

func (c *LinearCache) poolFor(_ *Node, typeURL, _ string) *pool {
	if typeURL != c.typeURL {
		return nil
	}
	return c.pool
}

func (c *LinearCache) split(string) bool { return false }

func (c *LinearCache) onMove(func()) (cancel func()) { return func() {} }
