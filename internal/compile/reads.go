package compile

import (
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Reads are the documents that a compilation looked up, without duplicates and in the order of the lookups, including
// those that do not exist. While none of them changes, the result of the compilation stays the same.
type Reads []config.Key

// documents is the set that is compiled. Every lookup goes through it, so that it knows all reads.
type documents struct {
	set   *config.Documents
	reads Reads
	known map[config.Key]struct{} // those in reads; nil while they are few
	cache *Cache                  // nil: every call is resolved
}

// fewReads is up to how many reads a list is searched faster than a map.
const fewReads = 32

// read records that a document was looked up.
func (d *documents) read(key config.Key) {
	if d.known == nil && len(d.reads) < fewReads {
		if !slices.Contains(d.reads, key) {
			d.reads = append(d.reads, key)
		}
		return
	}
	if d.known == nil {
		d.known = map[config.Key]struct{}{}
		for _, key := range d.reads {
			d.known[key] = struct{}{}
		}
	}
	if _, found := d.known[key]; !found {
		d.known[key] = struct{}{}
		d.reads = append(d.reads, key)
	}
}

func (d *documents) service(name mesh.ServiceName) *config.Service {
	d.read(config.ServiceKey(name))
	return d.set.Services.Get(name)
}

func (d *documents) external(name mesh.ServiceName) *config.External {
	d.read(config.ExternalKey(name))
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
	d.read(config.EdgeKey(name))
	return d.set.Edges.Get(name)
}

func (d *documents) mesh() *config.Mesh {
	d.read(config.MeshKey())
	return d.set.Mesh
}
