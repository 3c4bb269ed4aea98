package config

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (e *Edge) addTo(docs *Documents) *Header {
	if first := earlier(docs.Edges, mesh.EdgeName(e.Name)); first != nil {
		return first
	}
	docs.Edges[mesh.EdgeName(e.Name)] = e
	return nil
}

// Complete names an unnamed listener after what it speaks.
func (l *EdgeListener) Complete() {
	switch {
	case l.Name != "":
	case l.TLS != nil:
		l.Name = "https"
	default:
		l.Name = "http"
	}
}

func (e *Edge) check(c *checker) {
	for i, l := range e.Listeners {
		e.checkListener(c, fmt.Sprintf("listeners[%d]", i), l, e.Listeners[:i])
	}
	for i, r := range e.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		e.checkRoute(c, path, r, e.Routes[:i])
		c.traffic(path+".traffic", r.Traffic, "")
	}
}

func (e *Edge) checkListener(c *checker, path string, l EdgeListener, before []EdgeListener) {
	for _, b := range before {
		switch {
		case b.Port == l.Port && overlap(b.Address, l.Address):
			c.reportWith(path+".port", &yamldoc.Problem{Message: fmt.Sprintf("port %d of %s is taken by listener %s", l.Port, l.Address, b.Name)}, b.Origin)
		case b.Name == l.Name && l.Name != "":
			c.reportWith(path+".name", &yamldoc.Problem{Message: fmt.Sprintf("there are two listeners named %s", l.Name), Expected: "a name of its own for each listener",
				Hint: fmt.Sprintf("write {name: internal, port: %d}", l.Port)}, b.Origin)
		default:
			continue
		}
		return
	}
}

// overlap reports whether sockets at both addresses would clash on one port. Text that is no address
// clashes with nothing.
func overlap(a, b string) bool {
	x, _ := netip.ParseAddr(a)
	y, _ := netip.ParseAddr(b)
	return x.IsValid() && x.BitLen() == y.BitLen() && (x == y || x.IsUnspecified() || y.IsUnspecified())
}

func (e *Edge) checkRoute(c *checker, path string, r EdgeRoute, before []EdgeRoute) {
	for _, b := range before {
		for _, host := range r.Hosts {
			if b.Path == r.Path && r.Path != "" && slices.Contains(b.Hosts, host) && host != "" {
				c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("host %s with path %s is routed twice", host, r.Path), Hint: "only one of the two routes can be taken"}, b.Origin)
			}
		}
	}
	if r.To == "" {
		return
	}
	s := c.docs.Services[r.To]
	if s == nil {
		c.noService(path+".to", r.To)
		return
	}
	switch p, ok := s.LookupPort(r.Port); {
	case c.broken[s]:
	case !ok && len(s.Ports) == 0:
		c.reportWith(path+".to", s.noPort(r.Port), s.Origin)
	case !ok:
		c.reportWith(path+".port", s.noPort(r.Port), s.Origin)
	case !p.Protocol.IsHTTP():
		c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("port %s of %s speaks %s, and routes lead to http, http2 and grpc", p.Name, s.Name, p.Protocol)}, p.Origin)
	}
}

// noService reports a route to a name that is no Service's.
func (c *checker) noService(path string, name mesh.ServiceName) {
	switch e := c.docs.Externals[name]; {
	case e != nil:
		c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("%s is an External, and routes lead to Services", name)}, e.Origin)
	case !c.unread[string(name)]:
		w := c.noSuch(name, slices.Sorted(maps.Keys(c.docs.Services)))
		w.Message = fmt.Sprintf("there is no Service %q", name)
		c.report(path, w)
	}
}
