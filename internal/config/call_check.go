package config

import (
	"fmt"
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/suggest"
)

func (s *Service) checkCalls(c *checker) {
	for i, call := range s.Calls {
		path := fmt.Sprintf("calls[%d]", i)
		if call.To == "" {
			continue
		}
		if first := slices.IndexFunc(s.Calls[:i], func(b Call) bool { return b.To == call.To }); first >= 0 {
			c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("%s is called twice", call.To), Hint: "make one call of the two"}, s.Calls[first].Origin)
			continue
		}
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
		c.traffic(path+".traffic", call.Traffic, protocol)
	}
}

// mayCall reports whether there is something to call at a name, and a problem where there is not.
func (c *checker) mayCall(path string, name mesh.ServiceName) bool {
	switch s := c.docs.Services[name]; {
	case s != nil && len(s.Ports) == 0 && !c.broken[s]:
		c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("service %s serves no port", name), Hint: "list its ports in its manifest"}, s.Origin)
		return false
	case s != nil:
		return !c.broken[s]
	case c.docs.Externals[name] != nil:
		return !c.broken[c.docs.Externals[name]]
	case c.unread[string(name)]:
		return false
	}
	c.report(path, c.noSuch(name, slices.Concat(slices.Sorted(maps.Keys(c.docs.Services)), slices.Sorted(maps.Keys(c.docs.Externals)))))
	return false
}

// noSuch says that no document has that name.
func (c *checker) noSuch(name mesh.ServiceName, names []mesh.ServiceName) *yamldoc.Problem {
	w := &yamldoc.Problem{Message: fmt.Sprintf("there is no Service or External %q", name), Expected: "the name of a document in this folder"}
	var candidates []string
	for _, n := range names {
		candidates = append(candidates, string(n))
	}
	if w.Hint = suggest.DidYouMean(string(name), candidates); w.Hint == "" {
		w.Hint = fmt.Sprintf("add a manifest with name: %s", name)
	}
	return w
}

// checkLocalPorts reports calls that would listen on a port of the caller's loopback that is taken.
func (s *Service) checkLocalPorts(c *checker) {
	type use struct {
		by     string
		origin mesh.Origin
	}
	taken := map[int]use{
		mesh.DefaultEgressPort:  {by: "the proxy itself, for calls by host"},
		mesh.DefaultIngressPort: {by: "the proxy itself, for callers"},
		mesh.DefaultAdminPort:   {by: "the proxy itself, for its admin pages"},
	}
	for _, p := range s.Ports {
		taken[p.Port] = use{fmt.Sprintf("port %s of the application", p.Name), p.Origin}
	}
	for i, call := range s.Calls {
		port := c.docs.LocalPort(call)
		if port == 0 {
			continue
		}
		if before, ok := taken[port]; ok {
			c.reportWith(fmt.Sprintf("calls[%d].localPort", i), &yamldoc.Problem{
				Message:  fmt.Sprintf("the call of %s needs port %d of 127.0.0.1, which is taken by %s", call.To, port, before.by),
				Expected: "a port of its own for each tcp call",
				Hint:     fmt.Sprintf("write {to: %s, localPort: %d}", call.To, 10000+port%10000),
			}, before.origin)
			continue
		}
		taken[port] = use{fmt.Sprintf("the call of %s", call.To), call.Origin}
	}
}
