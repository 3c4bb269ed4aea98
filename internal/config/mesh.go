package config

import "github.com/doyen-mesh/doyen/internal/mesh"

// Mesh is the network team's document. It sets defaults for every call, and the bounds within which other
// documents may change them. A folder has at most one; without it, the built-in defaults apply.
type Mesh struct {
	Header

	// Settings for calls that neither the caller's nor the called service's manifest overrides.
	Defaults *Traffic `json:"defaults,omitzero" example:"{timeout: 5s}"`

	// Limits for the settings in other documents.
	Bounds Bounds `json:"bounds,omitzero" example:"{maxTimeout: 60s, maxRetries: 3}"`

	// The networks of a mesh whose hosts cannot all reach each other; see [Networks](../zones.md#networks). A mesh in one
	// network has none.
	Networks []Network `json:"networks,omitempty" example:"[{name: default, gateways: 192.0.2.1}, {name: east, gateways: [198.51.100.1, 198.51.100.2]}]"`
}

// Network is a set of hosts that reach each other's addresses, and how the hosts of other networks reach it.
type Network struct {
	// The name that agents are given with --network; default is the network of those that are given none.
	Name string `json:"name" format:"network" required:"true" example:"east"`

	// The IP addresses at which callers in other networks reach the network's gateways. Without them, its instances are
	// called from within the network only.
	Gateways []string `json:"gateways,omitempty" format:"ip" example:"[198.51.100.1, 198.51.100.2]"`

	// The port of the gateways at these addresses.
	Port int `json:"port" range:"1-65535" default:"15443" example:"443"`

	Origin mesh.Origin `json:"-"`
}

// MaxNetworks is the largest number of networks of a mesh.
const MaxNetworks = 16

// Network returns the network of that name; nil if the mesh does not list it.
func (m *Mesh) Network(name mesh.NetworkName) *Network {
	for i := range m.Networks {
		if m.Networks[i].ID() == name {
			return &m.Networks[i]
		}
	}
	return nil
}

// ID returns the network's name, "" for the default network.
func (n *Network) ID() mesh.NetworkName {
	name, _ := mesh.ParseNetworkName(n.Name)
	return name
}
