package envoy

import (
	"crypto/sha256"
	"runtime"
	"sync"
	"weak"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/xds"
)

// Cache encodes proxies and shares equal resources between them. Most callers of a service use the same settings, so
// few of the clusters of a fleet are distinct. A resource stays in the cache while anyone else holds it. A Cache is
// safe for concurrent use.
type Cache struct {
	mu        sync.Mutex
	resources map[cacheKey]weak.Pointer[xds.Resource]
	encoded   int // how many resources were encoded since the start; only tests read it
}

// cacheKey is a hash of everything that determines a resource. It is cryptographic because parts of the input come
// from outside.
type cacheKey [sha256.Size]byte

// NewCache returns an empty cache.
func NewCache() *Cache { return &Cache{resources: map[cacheKey]weak.Pointer[xds.Resource]{}} }

// Resources does what the function Resources does, with this cache.
func (c *Cache) Resources(p ir.Proxy) ([]Resource, error) {
	all := parts(p)
	resources := make([]Resource, len(all))
	var buffer []byte
	for i, part := range all {
		buffer = part.appendKey(buffer[:0])
		r, err := c.resource(sha256.Sum256(buffer), part)
		if err != nil {
			return nil, err
		}
		resources[i] = Resource{r, part.origin, part.decidedAt}
	}
	return resources, nil
}

func (p part) appendKey(b []byte) []byte {
	b = ir.AppendKey(ir.AppendKey(ir.AppendKey(b, p.Type), p.Name), p.kind)
	for _, v := range p.from {
		b = ir.AppendKey(b, v)
	}
	return b
}

// resource returns the resource of a part, and encodes it if nobody holds it. If two goroutines encode the same one,
// both get the one that was put into the cache first.
func (c *Cache) resource(key cacheKey, p part) (*xds.Resource, error) {
	if r := c.get(key); r != nil {
		return r, nil
	}
	r, err := p.encode()
	if err != nil {
		return nil, err
	}
	return c.put(key, r), nil
}

func (c *Cache) get(key cacheKey) *xds.Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resources[key].Value()
}

func (c *Cache) put(key cacheKey, r *xds.Resource) *xds.Resource {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.encoded++
	if other := c.resources[key].Value(); other != nil {
		return other
	}
	c.resources[key] = weak.Make(r)
	runtime.AddCleanup(r, c.forget, key)
	return r
}

// forget removes a resource that nobody holds any more, unless another one has its key by now.
func (c *Cache) forget(key cacheKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.resources[key].Value() == nil {
		delete(c.resources, key)
	}
}
