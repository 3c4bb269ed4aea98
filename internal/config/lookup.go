package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// LookupPort returns the port with that name, or the main port for "". It returns false if there is none.
func (s *Service) LookupPort(name mesh.PortName) (Port, bool) {
	for i, p := range s.Ports {
		if p.Name == name || name == "" && i == 0 {
			return p, true
		}
	}
	return Port{}, false
}

// Callee returns the protocol and number of the port that a called name stands for: the main port of a service, or that
// of an external. It returns false for a name without a document, and for a service without ports.
func (d *Documents) Callee(name mesh.ServiceName) (mesh.Protocol, int, bool) {
	if s := d.Services.Get(name); s != nil {
		p, ok := s.LookupPort("")
		return p.Protocol, p.Port, ok
	}
	if e := d.Externals.Get(name); e != nil {
		return e.Protocol, e.Port, true
	}
	return "", 0, false
}

// LocalPort returns where on 127.0.0.1 a caller reaches what c calls, unless its node says otherwise;
// 0 for what is called by host name.
func (d *Documents) LocalPort(c Call) int {
	protocol, port, _ := d.Callee(c.To)
	e := d.Externals.Get(c.To)
	switch {
	case protocol != mesh.TCP:
		return 0
	case c.LocalPort != 0:
		return c.LocalPort
	case e != nil && e.LocalPort != 0:
		return e.LocalPort
	default:
		return port
	}
}
