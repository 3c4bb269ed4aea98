package compile

import (
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Reads are the documents that a compilation looked up, without duplicates and in no order, including those that do
// not exist. While none of them changes, the result of the compilation stays the same.
type Reads []config.Key

// documents is the set that is compiled. Every lookup goes through it, so that it knows all reads.
type documents struct {
	set   *config.Documents
	reads map[config.Key]struct{}
	cache *Cache // nil: every call is resolved
}

func (d *documents) service(name mesh.ServiceName) *config.Service {
	d.reads[config.ServiceKey(name)] = struct{}{}
	return d.set.Services.Get(name)
}

func (d *documents) external(name mesh.ServiceName) *config.External {
	d.reads[config.ExternalKey(name)] = struct{}{}
	return d.set.Externals.Get(name)
}

// header returns the header of the Service or External of that name, nil if there is none.
func (d *documents) header(name mesh.ServiceName) *config.Header {
	if s := d.service(name); s != nil {
		return &s.Header
	}
	if e := d.external(name); e != nil {
		return &e.Header
	}
	return nil
}

func (d *documents) edge(name mesh.EdgeName) *config.Edge {
	d.reads[config.EdgeKey(name)] = struct{}{}
	return d.set.Edges.Get(name)
}

func (d *documents) mesh() *config.Mesh {
	d.reads[config.MeshKey()] = struct{}{}
	return d.set.Mesh
}

// localPort returns the local port of c's target.
func (d *documents) localPort(c config.Call) int {
	d.service(c.To)
	d.external(c.To)
	return d.set.LocalPort(c)
}

func (d *documents) read() Reads { return slices.Collect(maps.Keys(d.reads)) }
