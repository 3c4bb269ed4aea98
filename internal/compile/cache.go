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
	resolved map[mesh.ServiceName]resolvedCalls
	misses   int // how often calls were resolved since the start; only tests read it
}

// resolvedCalls are calls of one document under one Mesh, without what their callers say. Immutable.
type resolvedCalls struct {
	header weak.Pointer[config.Header] // of the document
	mesh   *config.Mesh
	calls  []call
}

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{resolved: map[mesh.ServiceName]resolvedCalls{}} }

// Track does what the function Track does, with this cache.
func (c *Cache) Track(docs *config.Documents, view mesh.View) (ir.Proxy, Reads, error) {
	tracked := &documents{set: docs, cache: c}
	p, err := resolve(tracked, view.Node)
	return p, tracked.reads, err
}

// callsTo returns what a call of that name without settings of its own resolves to.
func (c *Cache) callsTo(docs *documents, name mesh.ServiceName) ([]call, error) {
	header, mesh := docs.header(name), docs.mesh()
	if header == nil {
		return nil, ErrNoDocument
	}
	if had, ok := c.get(name); ok && had.mesh == mesh && had.header.Value() == header {
		return had.calls, nil
	}
	calls, err := resolveCalls(docs, name, nil)
	if err != nil {
		return nil, err
	}
	c.put(name, header, resolvedCalls{weak.Make(header), mesh, calls})
	return calls, nil
}

func (c *Cache) get(name mesh.ServiceName) (resolvedCalls, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	had, ok := c.resolved[name]
	return had, ok
}

func (c *Cache) put(name mesh.ServiceName, header *config.Header, r resolvedCalls) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.misses++
	if c.resolved[name].header != r.header {
		runtime.AddCleanup(header, c.forget, name)
	}
	c.resolved[name] = r
}

// forget drops what is known of a document that no longer exists, unless another one has taken its name.
func (c *Cache) forget(name mesh.ServiceName) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resolved[name].header.Value() == nil {
		delete(c.resolved, name)
	}
}
