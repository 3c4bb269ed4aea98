package server

import (
	"cmp"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// dnsOptions returns what DNS answers from.
func (s *server) dnsOptions() dnsserver.Options {
	return dnsserver.Options{Instances: s.registry.Snapshot, Ports: s.portsOf, Domain: cmp.Or(s.Domain, mesh.Domain), Log: s.Log}
}

// portsOf returns the names of a service's ports, the main port first, and whether the service has a manifest.
func (s *server) portsOf(name mesh.ServiceName) (ports []mesh.PortName, known bool) {
	documents := s.control.State().Documents
	if documents == nil {
		return nil, false
	}
	manifest := documents.Documents.Services.Get(name)
	if manifest == nil {
		return nil, false
	}
	for _, port := range manifest.Ports {
		ports = append(ports, port.Name)
	}
	return ports, true
}
