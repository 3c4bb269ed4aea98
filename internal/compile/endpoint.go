package compile

import (
	"net/netip"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// ServedPort is one port of a service whose endpoints are published, and how an instance's
// addresses become an endpoint of it.
type ServedPort struct {
	Target ir.Target
	health mesh.PortName // the port that health checks go to; "" is the main port
}

// ServedPorts are all ports of all services, by target: the endpoint sets that exist, whether or not
// any instance has checked in. A set without instances is to be published too, as an empty one.
func ServedPorts(docs *config.Documents) []ServedPort {
	var all []ServedPort
	for _, s := range docs.Services {
		for i := range s.Ports {
			port := ServedPort{Target: serviceTarget(s, i)}
			if h := healthPort(s); h > 0 {
				port.health = s.Ports[h].Name
			}
			all = append(all, port)
		}
	}
	slices.SortFunc(all, func(a, b ServedPort) int { return a.Target.Compare(b.Target) })
	return all
}

// Endpoint is where one instance serves the port: main is its main port's address, ports are its further
// ones. It is false for an instance that does not say where the port is. Zone, weight and state are the
// caller's to fill in.
func (p ServedPort) Endpoint(main netip.AddrPort, ports map[mesh.PortName]int) (ir.Endpoint, bool) {
	serving, ok := portOf(p.Target.Port, main, ports)
	if !ok {
		return ir.Endpoint{}, false
	}
	e := ir.Endpoint{Address: netip.AddrPortFrom(main.Addr(), serving)}
	if asked, ok := portOf(p.health, main, ports); ok && asked != serving {
		e.HealthPort = int(asked)
	}
	return e, true
}

func portOf(name mesh.PortName, main netip.AddrPort, ports map[mesh.PortName]int) (uint16, bool) {
	if name == "" {
		return main.Port(), true
	}
	port, ok := ports[name]
	return uint16(port), ok && port > 0 && port <= 65535
}
