package config

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (s *Service) slot() Key { return ServiceKey(mesh.ServiceName(s.Name)) }

func (s *Service) addTo(docs *Documents) {
	docs.Services = docs.Services.With(mesh.ServiceName(s.Name), s)
}

func (s *Service) removeFrom(docs *Documents) {
	docs.Services = docs.Services.Without(mesh.ServiceName(s.Name))
}

// references returns the names that the service calls.
func (s *Service) references() (all []mesh.ServiceName) {
	for _, call := range s.Calls {
		all = append(all, call.To)
	}
	return all
}

// Complete names an unnamed port after its protocol.
func (p *Port) Complete() {
	if p.Name == "" {
		p.Name = mesh.PortName(p.Protocol)
	}
}

// Complete sets the default timeout of a check, which is not longer than its interval.
func (h *Health) Complete() {
	if h.Timeout == 0 {
		h.Timeout = min(Duration(time.Second), h.CallersInterval())
	}
}

// DefaultHealthInterval is how often the proxies of callers check an instance if its manifest does not say so.
const DefaultHealthInterval = 5 * time.Second

// CallersInterval is how often the proxies of callers check an instance.
func (h *Health) CallersInterval() Duration {
	return cmp.Or(h.Interval, Duration(DefaultHealthInterval))
}

func (s *Service) check(c *checker) {
	s.checkName(c)
	s.checkPorts(c)
	if s.Health != nil {
		s.checkHealth(c)
	}
	main, _ := s.LookupPort("")
	c.traffic("traffic", s.Traffic, main.Protocol)
	s.checkCalls(c)
	s.checkLocalPorts(c)
}

// maxPorts limits the ports of one service, so that the sidecar's ports for callers do not collide with its other ports.
const maxPorts = 100

func (s *Service) checkPorts(c *checker) {
	if len(s.Ports) > maxPorts {
		c.report("ports", &yamldoc.Problem{Message: fmt.Sprintf("the service has %d ports", len(s.Ports)), Expected: fmt.Sprintf("at most %d", maxPorts)})
		return
	}
	for i, p := range s.Ports {
		path := fmt.Sprintf("ports[%d]", i)
		if use, clash := s.sidecarUse(p.Port); clash {
			c.report(path+".port", &yamldoc.Problem{Message: fmt.Sprintf("port %d is needed by %s", p.Port, use.by), Expected: "another port for the application"})
		}
		if i > 0 && p.Protocol == mesh.TCP {
			c.report(path+".protocol", &yamldoc.Problem{Message: fmt.Sprintf("port %s: tcp is reached only as the first port of a service", p.Name),
				Hint: "give it a Service of its own, or put it first"})
		}
		clash := slices.IndexFunc(s.Ports[:i], func(b Port) bool {
			return b.Port != 0 && b.Port == p.Port || b.Name != "" && b.Name == p.Name
		})
		if clash < 0 {
			continue
		}
		if first := s.Ports[clash]; first.Port == p.Port {
			c.reportWith(path+".port", &yamldoc.Problem{Message: fmt.Sprintf("port %d is that of %s already", p.Port, first.Name)}, first.Origin)
		} else {
			c.reportWith(path+".name", &yamldoc.Problem{Message: fmt.Sprintf("there are two ports named %s", p.Name), Expected: "a name of its own for each port",
				Hint: fmt.Sprintf("write {name: admin, protocol: %s, port: %d}", p.Protocol, p.Port)}, first.Origin)
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
		c.report("health", &yamldoc.Problem{Message: fmt.Sprintf("health has %d ways to ask", ways), Expected: "exactly one of http, grpc and tcp"})
	}
	if interval := h.CallersInterval(); h.Timeout > interval {
		c.report("health.timeout", &yamldoc.Problem{Message: fmt.Sprintf("timeout %s is longer than the interval of %s", h.Timeout, interval), Expected: fmt.Sprintf("at most %s", interval)})
	}
	if h.TCP && h.Host != "" {
		c.report("health.host", &yamldoc.Problem{Message: "a tcp check names no host", Hint: "leave host out, or ask by http or grpc"})
	}
	p, ok := s.LookupPort(h.Port)
	switch {
	case c.broken[s]:
	case !ok && h.Port == "":
		c.report("health", &yamldoc.Problem{Message: "there is no port to ask", Hint: "list the service's ports, or leave health out"})
	case !ok:
		c.report("health.port", s.noPort(h.Port))
	case h.HTTP != "" && !p.Protocol.IsHTTP():
		c.report("health.http", &yamldoc.Problem{Message: fmt.Sprintf("port %s speaks %s, which has no paths", p.Name, p.Protocol), Hint: "health: tcp"})
	case h.GRPC != nil && !p.Protocol.IsHTTP2():
		c.report("health.grpc", &yamldoc.Problem{Message: fmt.Sprintf("port %s speaks %s, and grpc needs http2", p.Name, p.Protocol), Hint: "declare the port as grpc, or ask another way"})
	}
}

// noPort returns the problem that the service has no port with that name.
func (s *Service) noPort(name mesh.PortName) *yamldoc.Problem {
	var names []string
	for _, p := range s.Ports {
		names = append(names, string(p.Name))
	}
	if names == nil {
		return &yamldoc.Problem{Message: fmt.Sprintf("service %s has no ports", s.Name)}
	}
	return yamldoc.OneOf(fmt.Sprintf("service %s has no port", s.Name), names)(string(name))
}
