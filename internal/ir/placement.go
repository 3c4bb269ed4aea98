package ir

import (
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Viewer is where a client is. Two clients at one place get the same endpoints.
type Viewer struct {
	Network mesh.NetworkName `json:"network,omitempty"`
	Zone    mesh.ZoneName    `json:"zone,omitempty"` // "" does not prefer any endpoint
	// Local makes the client a gateway of its network: it gets no endpoints of other networks.
	Local bool `json:"local,omitempty"`
}

// Placement decides what a client gets of a target's endpoints, besides their addresses and health.
type Placement struct {
	Viewer
	// Near prefers endpoints in the viewer's zone, then those in its region.
	Near bool `json:"near,omitempty"`
	// Gateways are where the instances in a network are reached from other networks. Those in a network without one are
	// left out for viewers elsewhere.
	Gateways Gateways `json:"gateways,omitempty"`
}

// Gateways are the addresses of each network's gateways.
type Gateways map[mesh.NetworkName][]netip.AddrPort

// Distance returns how far endpoints in a zone of the viewer's network are: 0 is the viewer's zone, 1 another zone of its
// region, 2 anywhere else. A viewer without a zone is equally far from all.
func (p Placement) Distance(zone mesh.ZoneName) int {
	region, _ := p.Zone.Split()
	to, _ := zone.Split()
	switch {
	case !p.Near || p.Zone == "" || p.Zone == zone:
		return 0
	case region != "" && region == to:
		return 1
	default:
		return 2
	}
}

// DistanceOfNetwork returns how far the endpoints of another network are: 3, after all of the viewer's network, because
// their traffic passes a gateway. Without Near it is 0.
func (p Placement) DistanceOfNetwork() int {
	if !p.Near {
		return 0
	}
	return 3
}
