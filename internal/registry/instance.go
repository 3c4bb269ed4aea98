// Package registry holds the instances of all services: leases, drains and doubt about mass death.
package registry

import (
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Key names an instance: a service, and the address and port where callers reach its main port.
type Key struct {
	Service mesh.ServiceName
	Address netip.AddrPort
}

// State is where an instance is in its life.
type State string

const (
	Starting State = "starting" // known, not sent traffic
	Healthy  State = "healthy"
	Draining State = "draining" // finishes what it has, gets nothing new
)

// Instance is one running copy of a service. Immutable.
type Instance struct {
	Key
	Ports   map[mesh.PortName]int // where callers reach further named ports, at the same address
	Zone    mesh.ZoneName
	Tags    map[string]string
	Weight  uint32 // 1-128... default 100
	State   State
	Lease   time.Duration
	Expires time.Time
	// Identity is the workload's SPIFFE ID once it has one.
	Identity string
}

// Snapshot is the registry at one moment. Immutable; Changed closes when it is stale. Renewals make no new snapshot.
type Snapshot struct{}

func (s *Snapshot) Instances(service mesh.ServiceName) []*Instance { panic("skeleton") } // by address
func (s *Snapshot) Services() []mesh.ServiceName                   { panic("skeleton") } // sorted
func (s *Snapshot) Version(service mesh.ServiceName) uint64        { panic("skeleton") } // changes whenever the service's instances change: cheap comparison of snapshots
func (s *Snapshot) Changed() <-chan struct{}                       { panic("skeleton") }
