package config

import (
	"fmt"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (s *Service) addTo(docs *Documents) *Header {
	if first := docs.called(mesh.ServiceName(s.Name)); first != nil {
		return first
	}
	docs.Services[mesh.ServiceName(s.Name)] = s
	return nil
}

// called returns the header of the Service or External of that name, nil where there is neither.
func (d *Documents) called(name mesh.ServiceName) *Header {
	if h := earlier(d.Services, name); h != nil {
		return h
	}
	return earlier(d.Externals, name)
}

// complete names an unnamed port after its protocol.
func (p *Port) complete() {
	if p.Name == "" {
		p.Name = mesh.PortName(p.Protocol)
	}
}

// complete gives a check without a timeout the usual one, or less where checks come faster.
func (h *Health) complete() {
	if h.Timeout == 0 {
		h.Timeout = min(Duration(time.Second), h.Interval)
	}
}

func (s *Service) check(c *checker) {
	s.checkPorts(c)
	if s.Health != nil {
		s.checkHealth(c)
	}
	main, _ := s.LookupPort("")
	c.traffic("traffic", s.Traffic, main.Protocol)
	s.checkCalls(c)
	s.checkLocalPorts(c)
}

func (s *Service) checkPorts(c *checker) {
	for i, p := range s.Ports {
		path := fmt.Sprintf("ports[%d]", i)
		if i > 0 && p.Protocol == mesh.TCP {
			c.report(path+".protocol", &wrong{message: fmt.Sprintf("port %s: tcp is reached only as the first port of a service", p.Name),
				hint: "give it a Service of its own, or put it first"})
		}
		clash := slices.IndexFunc(s.Ports[:i], func(b Port) bool {
			return b.Port != 0 && b.Port == p.Port || b.Name != "" && b.Name == p.Name
		})
		if clash < 0 {
			continue
		}
		if first := s.Ports[clash]; first.Port == p.Port {
			c.reportWith(path+".port", &wrong{message: fmt.Sprintf("port %d is that of %s already", p.Port, first.Name)}, first.Origin)
		} else {
			c.reportWith(path+".name", &wrong{message: fmt.Sprintf("there are two ports named %s", p.Name), expected: "a name of its own for each port",
				hint: fmt.Sprintf("write {name: admin, protocol: %s, port: %d}", p.Protocol, p.Port)}, first.Origin)
		}
	}
}

func (s *Service) checkHealth(c *checker) {
	h := s.Health
	ways := 0
	for _, set := range []bool{h.HTTP != "", h.GRPC != nil, h.TCP} {
		if set {
			ways++
		}
	}
	if ways != 1 && !c.broken[s] {
		c.report("health", &wrong{message: fmt.Sprintf("health has %d ways to ask", ways), expected: "exactly one of http, grpc and tcp"})
	}
	if h.Timeout > h.Interval && h.Interval != 0 {
		c.report("health.timeout", &wrong{message: fmt.Sprintf("timeout %s is longer than the interval of %s", h.Timeout, h.Interval), expected: fmt.Sprintf("at most %s", h.Interval)})
	}
	p, ok := s.LookupPort(h.Port)
	switch {
	case c.broken[s]:
	case !ok && h.Port == "":
		c.report("health", &wrong{message: "there is no port to ask", hint: "list the service's ports, or leave health out"})
	case !ok:
		c.report("health.port", s.noPort(h.Port))
	case h.HTTP != "" && !p.Protocol.IsHTTP():
		c.report("health.http", &wrong{message: fmt.Sprintf("port %s speaks %s, which has no paths", p.Name, p.Protocol), hint: "health: tcp"})
	case h.GRPC != nil && !p.Protocol.IsHTTP2():
		c.report("health.grpc", &wrong{message: fmt.Sprintf("port %s speaks %s, and grpc needs http2", p.Name, p.Protocol), hint: "declare the port as grpc, or ask another way"})
	}
}

// noPort says that the service has no port of that name.
func (s *Service) noPort(name mesh.PortName) *wrong {
	var names []string
	for _, p := range s.Ports {
		names = append(names, string(p.Name))
	}
	if names == nil {
		return &wrong{message: fmt.Sprintf("service %s has no ports", s.Name)}
	}
	return oneOf(fmt.Sprintf("service %s has no port", s.Name), names)(string(name))
}
