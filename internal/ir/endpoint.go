package ir

import (
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// EndpointSet is all endpoints of one target: what the registry knows of one port of one service.
type EndpointSet struct {
	Target    Target     `json:"target"`
	Endpoints []Endpoint `json:"endpoints,omitempty"` // in any order; of two with one address in one network the first counts
	// Placement says how near they are to the client.
	Placement Placement `json:"placement,omitzero"`
}

// Endpoint is one address at which a target is reached. Instances that are starting are not included.
type Endpoint struct {
	Address netip.AddrPort `json:"address"`
	// Network is the one in which Address is reached; "" is the default network.
	Network mesh.NetworkName `json:"network,omitempty"`
	// HealthPort is where health checks are sent, at the same address; 0 is the port of Address.
	HealthPort int           `json:"healthPort,omitempty"`
	Zone       mesh.ZoneName `json:"zone,omitempty"`
	Weight     uint32        `json:"weight,omitempty"`    // relative to the others; 0 counts as 1
	Draining   bool          `json:"draining,omitempty"`  // finishes what it has, gets nothing new
	Unhealthy  bool          `json:"unhealthy,omitempty"` // fails its health check; used only while no endpoint is healthy
	Identity   string        `json:"identity,omitempty"`  // the SPIFFE ID, once there is one
}
