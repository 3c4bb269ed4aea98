package api

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// Instance is an instance in answers. A check-in's body may have the fields of CheckIn; service, network and
// address are in its URL.
type Instance struct {
	Service  mesh.ServiceName      `json:"service"`
	Network  mesh.NetworkName      `json:"network,omitempty"` // absent: the default network
	Address  netip.AddrPort        `json:"address"`
	Ports    map[mesh.PortName]int `json:"ports,omitempty"`
	Zone     mesh.ZoneName         `json:"zone,omitempty"`
	Tags     map[string]string     `json:"tags,omitempty"`
	Weight   uint32                `json:"weight"`
	State    registry.State        `json:"state"`
	Reason   string                `json:"reason,omitempty"` // for the state, in the agent's words
	Lease    Duration              `json:"lease"`
	Identity string                `json:"identity,omitempty"`
	Proxy    string                `json:"proxy,omitempty"`
	// Incarnation is the start of the instance's agent that sent this description, and Sequence counts the changes by
	// that agent.
	Incarnation registry.Incarnation `json:"incarnation"`
	Sequence    uint64               `json:"sequence"`
	Expires     time.Time            `json:"expires,omitzero"` // when the lease lapses unless it is renewed
	// Source names what lists the instance on this server, such as "file"; absent if it checked in. Such an instance
	// has no lease.
	Source string `json:"source,omitempty"`
	// ProxyGone is since when the proxy in front of the instance has not been connected to this server, at the
	// earliest since the server's start; absent if it is connected, or if nothing is known. Such an instance is
	// probably dead, whatever its state says.
	ProxyGone time.Time `json:"proxyGone,omitzero"`
	// Maintenance is an operator's order to keep the instance out of service, which counts instead of its state; absent
	// if there is none.
	Maintenance *Maintenance `json:"maintenance,omitempty"`
}

// Maintenance is an operator's order to keep an instance out of service, and the body of
// PUT /v1/instances/{service}/{address}/maintenance.
type Maintenance struct {
	Reason string `json:"reason"`
}

// Orders answers GET /v1/maintenance.
type Orders struct {
	Orders []Order `json:"orders"` // by service, network and address
}

// Order is one such order.
type Order struct {
	Service    mesh.ServiceName `json:"service"`
	Network    mesh.NetworkName `json:"network,omitempty"`
	Address    netip.AddrPort   `json:"address"`
	Reason     string           `json:"reason"`
	Registered bool             `json:"registered"` // false: the instance is away, and will be in maintenance when it comes back
}

// Condition returns the state that counts for traffic, and the reason for it.
func (i Instance) Condition() (registry.State, string) {
	if i.Maintenance != nil {
		return registry.Maintenance, i.Maintenance.Reason
	}
	return i.State, i.Reason
}

// Shown answers GET /v1/instances/{service}/{address}.
type Shown struct {
	Instance
	Version  string `json:"version"`            // for the next ?after=
	Manifest string `json:"manifest,omitempty"` // changes with the service's manifest; "" when it has none
}

// Key names the instance.
func (i Instance) Key() registry.Key {
	return registry.Key{Service: i.Service, Network: i.Network, Address: i.Address}
}

// Describes reports whether i and j have the same description.
func (i Instance) Describes(j *registry.Instance) bool {
	shown := registry.Instance{
		Key: i.Key(), Ports: i.Ports, Zone: i.Zone, Tags: i.Tags,
		Weight: i.Weight, State: i.State, Reason: i.Reason, Lease: time.Duration(i.Lease), Identity: i.Identity, Proxy: i.Proxy,
	}
	said := j.WithDefaults()
	return shown.Equal(&said)
}

// CheckIn is the body of PUT /v1/instances/{service}/{address}. Absent fields have their defaults.
type CheckIn struct {
	Ports    map[mesh.PortName]int `json:"ports,omitempty"`
	Zone     mesh.ZoneName         `json:"zone,omitempty"`
	Tags     map[string]string     `json:"tags,omitempty"`
	Weight   uint32                `json:"weight,omitempty"`
	State    registry.State        `json:"state,omitempty"`
	Reason   string                `json:"reason,omitempty"`
	Lease    Duration              `json:"lease,omitzero"`
	Identity string                `json:"identity,omitempty"`
	Proxy    string                `json:"proxy,omitempty"`
	// Incarnation is the answer to POST .../incarnation. Sequence grows with every change of the fields above.
	// Callers that do not use incarnations omit both.
	Incarnation registry.Incarnation `json:"incarnation,omitzero"`
	Sequence    uint64               `json:"sequence,omitempty"`
}

// Incarnation answers POST /v1/instances/{service}/{address}/incarnation.
type Incarnation struct {
	Incarnation registry.Incarnation `json:"incarnation"`
}

// CheckedIn answers a check-in.
type CheckedIn struct {
	Instance   Instance `json:"instance"`
	RenewAfter Duration `json:"renewAfter"`        // when to check in again, including jitter
	Warning    string   `json:"warning,omitempty"` // accepted, but probably not what was meant
}

// Renewed answers POST /v1/instances/{service}/{address}/renewal.
type Renewed struct {
	RenewAfter Duration `json:"renewAfter"`        // when to renew again, including jitter
	Warning    string   `json:"warning,omitempty"` // as in CheckedIn
}

// Left answers DELETE /v1/instances/{service}/{address}, and both methods of .../maintenance.
type Left struct {
	// Acknowledged says that every caller's proxy has acknowledged a configuration with the change: when an instance
	// has left or is in maintenance, no proxy calls it any more. It is false if the call did not wait for that.
	Acknowledged bool     `json:"acknowledged"`
	Waited       Duration `json:"waited"`
	Reason       string   `json:"reason,omitempty"` // why not acknowledged
}

// Instances answers GET of the instances of one service, or of all services.
type Instances struct {
	Version   string     `json:"version"`   // for the next ?after=
	Instances []Instance `json:"instances"` // by service, network and address
}

// Services is the data of the event services: the services that have instances.
type Services struct {
	Services []mesh.ServiceName `json:"services"`
}

// ServiceInstances is the data of the event service: all instances of one service.
type ServiceInstances struct {
	Service   mesh.ServiceName `json:"service"`
	Instances []Instance       `json:"instances"` // by address
}

// Gone is the data of the event gone.
type Gone struct {
	Service mesh.ServiceName `json:"service"`
	Network mesh.NetworkName `json:"network,omitempty"`
	Address netip.AddrPort   `json:"address"`
}

// Synced is the data of the event synced, which ends a batch of events.
type Synced struct {
	Version string `json:"version"`
}

// Doubts answers GET /v1/expiry.
type Doubts struct {
	Doubts []Doubt `json:"doubts"` // by service; empty when leases lapse as they should
}

// Doubt is a service many of whose instances stopped checking in at once.
type Doubt struct {
	Service   mesh.ServiceName `json:"service"`
	Instances []string         `json:"instances"` // those in doubt, such as "10.0.0.7:9211" or "10.0.0.7:9211 in network east"
	Of        int              `json:"of"`        // how many the service has in all
	Mesh      bool             `json:"mesh"`      // the cause is too many in the whole mesh, not in this service
	Since     time.Time        `json:"since"`
	Until     time.Time        `json:"until"` // when expiry resumes by itself
}

// Decision is the body of POST /v1/services/{service}/expiry and of POST /v1/expiry.
type Decision struct {
	Decision registry.Decision `json:"decision"`
}

// Decided answers a Decision.
type Decided struct {
	Instances int `json:"instances"` // how many it was about
}

// Duration is a time.Duration that is a string in JSON, in the form of Go and the documents: "10m".
type Duration time.Duration

// String returns "10m0s".
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText formats the duration to the millisecond; no value here is more exact.
func (d Duration) MarshalText() ([]byte, error) {
	return []byte(time.Duration(d).Round(time.Millisecond).String()), nil
}

// UnmarshalText parses a duration such as 90s or 10m.
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is no duration", text)
	}
	*d = Duration(parsed)
	return nil
}
