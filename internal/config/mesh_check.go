package config

import (
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (m *Mesh) slot() Key { return MeshKey() }

func (m *Mesh) addTo(docs *Documents) { docs.Mesh = m }

func (m *Mesh) removeFrom(docs *Documents) { docs.Mesh = noMesh }

func (m *Mesh) references() []mesh.ServiceName { return nil }

// noMesh is used for a folder without a Mesh.
var noMesh = &Mesh{Header: Header{Kind: "Mesh", Version: 1}}

// check reports defaults that exceed the bounds, because a service that sets nothing must be within them.
func (m *Mesh) check(c *checker) {
	c.traffic("defaults", m.Defaults, "")
	m.checkNetworks(c)
	c.defaults(m)
}

// checkNetworks checks that networks and their gateways can be told apart.
func (m *Mesh) checkNetworks(c *checker) {
	if len(m.Networks) > MaxNetworks {
		c.report("networks", &yamldoc.Problem{Message: fmt.Sprintf("the mesh has %d networks", len(m.Networks)), Expected: fmt.Sprintf("at most %d", MaxNetworks)})
	}
	for i := range m.Networks {
		n, path := &m.Networks[i], fmt.Sprintf("networks[%d]", i)
		for j := range m.Networks[:i] {
			before := &m.Networks[j]
			if before.ID() == n.ID() && n.Name != "" {
				c.reportWith(path+".name", &yamldoc.Problem{Message: fmt.Sprintf("there are two networks named %s", n.Name)}, before.Origin)
			}
			for _, gateway := range n.Gateways {
				if slices.Contains(before.Gateways, gateway) && before.Port == n.Port {
					c.reportWith(path+".gateways", &yamldoc.Problem{Message: fmt.Sprintf("%s with port %d is a gateway of network %s, too", gateway, n.Port, before.Name)}, before.Origin)
				}
			}
		}
	}
}
