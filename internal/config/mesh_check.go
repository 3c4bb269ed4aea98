package config

import "github.com/doyen-mesh/doyen/internal/mesh"

func (m *Mesh) slot() Key { return MeshKey() }

func (m *Mesh) addTo(docs *Documents) { docs.Mesh = m }

func (m *Mesh) removeFrom(docs *Documents) { docs.Mesh = noMesh }

func (m *Mesh) references() []mesh.ServiceName { return nil }

// noMesh is the Mesh of a folder that has none.
var noMesh = &Mesh{Header: Header{Kind: "Mesh", Version: 1}}

// check holds the defaults to the bounds: a service that sets nothing must be within them.
func (m *Mesh) check(c *checker) {
	c.traffic("defaults", m.Defaults, "")
	c.defaults(m)
}
