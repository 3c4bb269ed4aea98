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
}

// ServedPorts are the ports of all services, by name of the service and in the manifest's order.
func ServedPorts(docs *config.Documents) []ServedPort {
	var all []ServedPort
	for _, name := range slices.Sorted(docs.Services.Keys()) {
		all = append(all, ServedPortsOf(docs.Services.Get(name))...)
	}
	return all
}

// ServedPortsOf are the ports of one service in the manifest's order.
func ServedPortsOf(s *config.Service) []ServedPort {
	health := mesh.PortName("")
	if h := s.Health; h != nil && len(s.Ports) > 0 && h.Port != s.Ports[0].Name {
		health = h.Port
	}
	ports := make([]ServedPort, len(s.Ports))
	for i := range s.Ports {
		ports[i] = ServedPort{Target: serviceTarget(s, i), health: health}
	}
	return ports
}

// Endpoint is the port of the instance that checked in with this address of its main port and these
// further ports; false when it did not check this port in.
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

// addressOf is where callers reach a port of an instance.
func addressOf(port mesh.PortName, main netip.AddrPort, ports map[mesh.PortName]int) (netip.AddrPort, bool) {
	if port == "" {
		return main, true
	}
	number, ok := ports[port]
	return netip.AddrPortFrom(main.Addr(), uint16(number)), ok
}
