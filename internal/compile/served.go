package compile

import (
	"net/netip"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// ServedPort is one port of a service: a target whose endpoints are the service's instances.
type ServedPort struct {
	Target ir.Target
	health mesh.PortName // the port that health checks ask; "" is the main one
	near   bool          // callers prefer endpoints near them
	tcp    bool          // there is no host by which a gateway could route
}

// ServedPorts returns the ports of all services, by the service's name and in the manifest's order.
func ServedPorts(docs *config.Documents) []ServedPort {
	var all []ServedPort
	for _, name := range slices.Sorted(docs.Services.Keys()) {
		all = append(all, ServedPortsOf(docs, docs.Services.Get(name))...)
	}
	return all
}

// ServedPortsOf returns the ports of one service in the manifest's order.
func ServedPortsOf(docs *config.Documents, s *config.Service) []ServedPort {
	health := mesh.PortName("")
	if h := s.Health; h != nil && len(s.Ports) > 0 && h.Port != s.Ports[0].Name {
		health = h.Port
	}
	near := config.Resolve(s.Traffic, docs.Mesh.Defaults).Locality.Value == "near"
	ports := make([]ServedPort, len(s.Ports))
	for i, port := range s.Ports {
		ports[i] = ServedPort{Target: serviceTarget(s, i), health: health, near: near, tcp: port.Protocol == mesh.TCP}
	}
	return ports
}

// Endpoint returns this port of an instance that was checked in with these addresses: that of its main port, and
// those of its other ports. It returns false if the instance was checked in without this port.
func (p ServedPort) Endpoint(main netip.AddrPort, ports map[mesh.PortName]int) (ir.Endpoint, bool) {
	address, ok := addressOf(p.Target.Port, main, ports)
	if !ok {
		return ir.Endpoint{}, false
	}
	e := ir.Endpoint{Address: address}
	if health, ok := addressOf(p.health, main, ports); ok && health != address {
		e.HealthPort = int(health.Port())
	}
	return e, true
}

// Placement returns what decides, for clients at one place, about the endpoints that they get.
func (p ServedPort) Placement(viewer ir.Viewer, gateways ir.Gateways) ir.Placement {
	if p.tcp || viewer.Local {
		gateways = nil
	}
	return ir.Placement{Viewer: viewer, Near: p.near, Gateways: gateways}
}

// addressOf returns where callers reach a port of an instance.
func addressOf(port mesh.PortName, main netip.AddrPort, ports map[mesh.PortName]int) (netip.AddrPort, bool) {
	if port == "" {
		return main, true
	}
	number, ok := ports[port]
	return netip.AddrPortFrom(main.Addr(), uint16(number)), ok
}
