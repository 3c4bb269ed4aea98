package compile

import (
	"runtime"
	"sync"
	"weak"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Cache compiles, and remembers what calls without settings of their own resolve to. Most callers of a service have
// no settings, so they share one result. It keeps no document alive. A Cache is safe for concurrent use.
type Cache struct {
	mu       sync.Mutex
	resolved map[weak.Pointer[config.Header]]resolvedCalls
	misses   int // how often calls were resolved since the start; only tests read it
}

// resolvedCalls are calls of one document under one Mesh, without their callers' origins and local ports. Immutable.
type resolvedCalls struct {
	mesh  *config.Mesh
	calls []call
}

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{resolved: map[weak.Pointer[config.Header]]resolvedCalls{}} }

// Track does what the function Track does, with this cache.
func (c *Cache) Track(docs *config.Documents, view mesh.View) (ir.Proxy, Reads, error) {
	tracked := &documents{set: docs, reads: map[config.Key]struct{}{}, cache: c}
	p, err := resolve(tracked, view.Node)
	return p, tracked.read(), err
}

// callsTo returns what a call of that name without settings of its own resolves to.
func (c *Cache) callsTo(docs *documents, name mesh.ServiceName) ([]call, error) {
	header, mesh := docs.header(name), docs.mesh()
	if header == nil {
		return nil, ErrNoDocument
	}
	key := weak.Make(header)
	if had, ok := c.get(key); ok && had.mesh == mesh {
		return had.calls, nil
	}
	calls, err := resolveCalls(docs, name, nil)
	if err != nil {
		return nil, err
	}
	c.put(key, header, resolvedCalls{mesh, calls})
	return calls, nil
}

func (c *Cache) get(key weak.Pointer[config.Header]) (resolvedCalls, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	had, ok := c.resolved[key]
	return had, ok
}

func (c *Cache) put(key weak.Pointer[config.Header], header *config.Header, r resolvedCalls) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses++
	if _, ok := c.resolved[key]; !ok {
		runtime.AddCleanup(header, c.forget, key)
	}
	c.resolved[key] = r
}

func (c *Cache) forget(key weak.Pointer[config.Header]) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.resolved, key)
}
