package config

import (
	"fmt"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

func (s *Service) checkCalls(c *checker) {
	called := map[mesh.ServiceName]mesh.Origin{}
	for i, call := range s.Calls {
		path := fmt.Sprintf("calls[%d]", i)
		if call.To == "" {
			continue
		}
		if first, twice := called[call.To]; twice {
			c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("%s is called twice", call.To), Hint: "make one call of the two"}, first)
			continue
		}
		called[call.To] = call.Origin
		if !c.mayCall(path+".to", call.To) {
			continue
		}
		protocol, _, ok := c.docs.Callee(call.To)
		if ok && call.LocalPort != 0 && protocol != mesh.TCP {
			c.report(path+".localPort", &yamldoc.Problem{
				Message: fmt.Sprintf("%s speaks %s, and localPort is for tcp", call.To, protocol),
				Hint:    fmt.Sprintf("leave it out and call http://%s through the proxy", call.To),
			})
		}
		c.callTraffic(path+".traffic", call.Traffic, protocol)
	}
}

// mayCall reports whether a name can be called, and adds a problem if not.
func (c *checker) mayCall(path string, name mesh.ServiceName) bool {
	switch s := c.docs.Services.Get(name); {
	case s != nil && len(s.Ports) == 0 && !c.broken[s]:
		c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("service %s serves no port", name), Hint: "list its ports in its manifest"}, s.Origin)
		return false
	case s != nil:
		return !c.broken[s]
	case c.docs.Externals.Get(name) != nil:
		return !c.broken[c.docs.Externals.Get(name)]
	case c.unread[string(name)]:
		return false
	}
	c.report(path, c.noSuch(name, true))
	return false
}

// maxSuggestions limits for how many unknown names of a folder the nearest known name is searched, because each search
// compares with all names.
const maxSuggestions = 100

// noSuch returns the problem that no document has a name: no Service and, with externals, no External.
func (c *checker) noSuch(name mesh.ServiceName, externals bool) *yamldoc.Problem {
	p := &yamldoc.Problem{Message: fmt.Sprintf("there is no Service or External %q", name), Expected: "the name of a document in this folder",
		Hint: fmt.Sprintf("add a manifest with name: %s", name)}
	if c.suggestions++; c.suggestions > maxSuggestions {
		return p
	}
	var names []string
	for _, n := range slices.Sorted(c.docs.Services.Keys()) {
		names = append(names, string(n))
	}
	if externals {
		for _, n := range slices.Sorted(c.docs.Externals.Keys()) {
			names = append(names, string(n))
		}
	}
	if hint := suggest.DidYouMean(string(name), names); hint != "" {
		p.Hint = hint
	}
	return p
}

// portUse says what listens on a port of an instance's host.
type portUse struct {
	by     string
	origin mesh.Origin
}

// sidecarUse returns what the service's own sidecar uses a port for, unless an option of its agent overrides it.
func (s *Service) sidecarUse(port int) (portUse, bool) {
	ingress := port - mesh.DefaultIngressPort
	switch {
	case port == mesh.DefaultEgressPort:
		return portUse{by: "the service's own sidecar, for calls by host"}, true
	case port == mesh.DefaultAdminPort:
		return portUse{by: "the service's own sidecar, for its admin pages"}, true
	case ingress >= 0 && ingress < len(s.Ports):
		p := s.Ports[ingress]
		return portUse{fmt.Sprintf("the service's own sidecar, for callers of port %s", p.Name), p.Origin}, true
	}
	return portUse{}, false
}

// checkLocalPorts reports calls whose local port is already in use on the caller's host.
func (s *Service) checkLocalPorts(c *checker) {
	taken := map[int]portUse{}
	for i, call := range s.Calls {
		port := c.docs.LocalPort(call)
		if port == 0 {
			continue
		}
		before, ok := s.sidecarUse(port)
		if !ok {
			before, ok = s.applicationUse(port)
		}
		if !ok {
			before, ok = taken[port]
		}
		if ok {
			c.reportWith(fmt.Sprintf("calls[%d].localPort", i), &yamldoc.Problem{
				Message:  fmt.Sprintf("the call of %s needs port %d of 127.0.0.1, which is taken by %s", call.To, port, before.by),
				Expected: "a port of its own for each tcp call",
				Hint:     fmt.Sprintf("write {to: %s, localPort: %d}", call.To, 10000+port%10000),
			}, before.origin)
			continue
		}
		taken[port] = portUse{fmt.Sprintf("the call of %s", call.To), call.Origin}
	}
}

// applicationUse returns which port of the application has a number.
func (s *Service) applicationUse(port int) (portUse, bool) {
	for _, p := range s.Ports {
		if p.Port == port {
			return portUse{fmt.Sprintf("port %s of the application", p.Name), p.Origin}, true
		}
	}
	return portUse{}, false
}
