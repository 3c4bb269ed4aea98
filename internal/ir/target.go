package ir

import (
	"cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Kind says what a [Target] is.
type Kind string

// The kinds of targets.
const (
	Service  Kind = "service"  // a port of a service of the mesh; its endpoints come from the registry
	External Kind = "external" // a host outside the mesh
	Local    Kind = "local"    // a port of the application beside the proxy
)

// Target is where traffic is sent: it names one group of interchangeable endpoints.
type Target struct {
	Kind Kind             `json:"kind"`
	Name mesh.ServiceName `json:"name,omitempty"` // the service or external; "" for Local, so that equal applications have one cluster
	Port mesh.PortName    `json:"port,omitempty"` // "" is the main port; for Local every port has its name
}

// Compare orders targets by kind, name and port, so that encoders have one order to follow.
func (t Target) Compare(u Target) int {
	return cmp.Or(cmp.Compare(t.Kind, u.Kind), cmp.Compare(t.Name, u.Name), cmp.Compare(t.Port, u.Port))
}

// Hosts are the names under which HTTP callers reach the target: users and users.mesh, or
// admin.users and admin.users.mesh for a further port.
func (t Target) Hosts() []string {
	host := string(t.Name)
	if t.Port != "" {
		host = string(t.Port) + "." + host
	}
	return []string{host, host + "." + mesh.Domain}
}
