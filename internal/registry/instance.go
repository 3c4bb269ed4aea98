package registry

import (
	"cmp"
	"iter"
	"maps"
	"net/netip"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Defaults for what a check-in leaves out.
const (
	DefaultWeight = 100
	DefaultState  = Healthy
	DefaultLease  = 10 * time.Minute
)

// CheckInsPerLease is the number of check-ins during one lease. With the default lease of ten minutes, an instance
// checks in every minute, and is removed after ten minutes without a check-in.
const CheckInsPerLease = 10

// Key names an instance: a service, and the address and port where callers reach its main port. Equal addresses in
// different networks are different instances.
type Key struct {
	Service mesh.ServiceName
	Network mesh.NetworkName // "" is the default network
	Address netip.AddrPort
}

// String returns "users at 10.0.0.7:9211", or "users at 10.0.0.7:9211 in network east".
func (k Key) String() string { return string(k.Service) + " at " + k.Socket().String() }

// Socket returns where callers reach the instance's main port.
func (k Key) Socket() Socket { return Socket{k.Network, k.Address} }

// Compare orders keys by service, network and address.
func (k Key) Compare(j Key) int {
	return cmp.Or(strings.Compare(string(k.Service), string(j.Service)), k.Socket().Compare(j.Socket()))
}

// Socket is an address in a network.
type Socket struct {
	Network mesh.NetworkName
	netip.AddrPort
}

// String returns "10.0.0.7:9211", or "10.0.0.7:9211 in network east".
func (s Socket) String() string {
	if s.Network == "" {
		return s.AddrPort.String()
	}
	return s.AddrPort.String() + " in network " + string(s.Network)
}

// Compare orders sockets by network and address.
func (s Socket) Compare(t Socket) int {
	return cmp.Or(strings.Compare(string(s.Network), string(t.Network)), s.AddrPort.Compare(t.AddrPort))
}

// State is the state of an instance.
type State string

// The states an instance can have.
const (
	Starting  State = "starting" // known, not sent traffic
	Healthy   State = "healthy"
	Unhealthy State = "unhealthy" // was healthy; sent traffic only while no instance of its service is healthy
	Draining  State = "draining"  // finishes its requests, gets no new ones
	// Maintenance: it is kept out of service on purpose and gets no requests, also when no other instance is left.
	Maintenance State = "maintenance"
)

// States lists every state in the order of an instance's life.
var States = [...]State{Starting, Healthy, Unhealthy, Draining, Maintenance}

// Instance is one running copy of a service, as it describes itself at check-in. It is immutable once it is in the
// registry. [Instance.Problems] returns whether it is valid.
type Instance struct {
	Key
	Ports  map[mesh.PortName]int // where callers reach further named ports, at the same address
	Zone   mesh.ZoneName         // "" when not known
	Tags   map[string]string     // for people, filters and routing; at most MaxTags
	Weight uint32                // share of traffic relative to other instances, 1-MaxWeight; default 100
	State  State
	// Reason says why the instance is in that state; at most MaxReason bytes.
	Reason string
	Lease  time.Duration // how long a check-in is valid, MinLease-MaxLease; default 600 s
	// Identity is the workload's SPIFFE ID once it has one, "spiffe://...".
	Identity string
	// Proxy is the xDS node ID of the Envoy in front of the instance, at most MaxProxy bytes; "" if it has none. It
	// determines which proxies are expected to be connected.
	Proxy string
	// Incarnation is the start of the instance's agent that sent this description, and Sequence counts the changes by
	// that agent: of two descriptions the later one counts.
	Incarnation Incarnation
	Sequence    uint64
	// Revival counts how often servers received this version again after one of them had let it lapse. Only servers
	// set it.
	Revival uint64
	// Order is an operator's order about the instance, beside what it says of itself. Only servers set it.
	Order Order
	// Source names what lists the instance on this server, such as "file" ([Registry.SetSource]); "" if the instance
	// checked in.
	Source string
}

// sockets yields every socket at which callers reach i: no two instances share one.
func (i *Instance) sockets() iter.Seq[Socket] {
	return func(yield func(Socket) bool) {
		if !yield(i.Socket()) {
			return
		}
		for _, port := range i.Ports {
			if !yield(Socket{i.Network, netip.AddrPortFrom(i.Address.Addr(), uint16(port))}) {
				return
			}
		}
	}
}

// CheckInInterval returns how often the instance is expected to check in.
func (i *Instance) CheckInInterval() time.Duration { return i.Lease / CheckInsPerLease }

// WithDefaults returns i with the defaults in place of zero weight, state and lease.
func (i Instance) WithDefaults() Instance {
	i.Weight = cmp.Or(i.Weight, DefaultWeight)
	i.State = cmp.Or(i.State, DefaultState)
	i.Lease = cmp.Or(i.Lease, DefaultLease)
	return i
}

// Equal reports whether i and j describe the same instance in the same way, whatever their incarnation,
// sequence and order.
func (i *Instance) Equal(j *Instance) bool {
	return i.Key == j.Key && i.Source == j.Source && i.Zone == j.Zone && i.Weight == j.Weight && i.State == j.State && i.Reason == j.Reason &&
		i.Lease == j.Lease && i.Identity == j.Identity && i.Proxy == j.Proxy &&
		maps.Equal(i.Ports, j.Ports) && maps.Equal(i.Tags, j.Tags)
}

// clone returns a copy that shares nothing with i.
func (i Instance) clone() *Instance {
	i.Ports, i.Tags = maps.Clone(i.Ports), maps.Clone(i.Tags)
	return &i
}
