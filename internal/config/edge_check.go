package config

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func (e *Edge) slot() Key { return EdgeKey(mesh.EdgeName(e.Name)) }

func (e *Edge) addTo(docs *Documents) {
	docs.Edges = docs.Edges.With(mesh.EdgeName(e.Name), e)
}

func (e *Edge) removeFrom(docs *Documents) {
	docs.Edges = docs.Edges.Without(mesh.EdgeName(e.Name))
}

// references returns the services that the routes lead to.
func (e *Edge) references() (all []mesh.ServiceName) {
	for _, r := range e.Routes {
		all = append(all, r.To)
	}
	return all
}

// Complete names an unnamed listener after its protocol.
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
	if c.only != nil {
		e.checkRoutesTo(c, c.only)
		return
	}
	for i, l := range e.Listeners {
		e.checkListener(c, fmt.Sprintf("listeners[%d]", i), l, e.Listeners[:i])
	}
	e.checkGateway(c)
	routed := map[hostPath]mesh.Origin{}
	for i, r := range e.Routes {
		path := fmt.Sprintf("routes[%d]", i)
		e.checkOnce(c, path, r, routed)
		e.checkRoute(c, path, r)
		c.callTraffic(path+".traffic", r.Traffic, "")
	}
}

// checkGateway checks that an edge has either routes or a network.
func (e *Edge) checkGateway(c *checker) {
	switch {
	case c.broken[e]:
	case e.Gateway == "" && e.Routes == nil:
		c.report("", &yamldoc.Problem{Message: `the field "routes" is missing`, Expected: "such as routes: {path: /users, to: users}"})
	case e.Gateway != "" && c.docs.Mesh.Network(e.Network()) == nil:
		c.report("gateway", &yamldoc.Problem{Message: fmt.Sprintf("the Mesh lists no network %q", e.Gateway), Expected: "the name of one of its networks"})
	case e.Gateway != "" && slices.ContainsFunc(e.Listeners, func(l EdgeListener) bool { return l.TLS != nil }):
		c.report("listeners", &yamldoc.Problem{Message: "a gateway has a listener with tls, and the proxies that call it do not encrypt", Hint: "leave tls out, and let only the mesh reach the gateway"})
	case e.Gateway != "" && e.Routes != nil:
		c.report("routes", &yamldoc.Problem{Message: "a gateway has no routes", Hint: "it takes requests for every service; make another Edge for requests from outside"})
	}
}

// checkRoutesTo checks routes against the services that they lead to.
func (e *Edge) checkRoutesTo(c *checker, services map[mesh.ServiceName]bool) {
	for i, r := range e.Routes {
		if services[r.To] {
			e.checkRoute(c, fmt.Sprintf("routes[%d]", i), r)
		}
	}
}

func (e *Edge) checkListener(c *checker, path string, l EdgeListener, before []EdgeListener) {
	at := socket(l.Address, l.Port)
	if mesh.SocketsOverlap(at, socket("127.0.0.1", mesh.DefaultAdminPort)) {
		c.report(path+".port", &yamldoc.Problem{Message: fmt.Sprintf("port %d of 127.0.0.1 is needed by the edge itself, for its admin pages", l.Port), Expected: "another port"})
	}
	for _, b := range before {
		switch {
		case at.IsValid() && mesh.SocketsOverlap(at, socket(b.Address, b.Port)):
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

// socket returns an address and port; invalid if the text is not an address.
func socket(address string, port int) netip.AddrPort {
	a, _ := netip.ParseAddr(address)
	return netip.AddrPortFrom(a, uint16(port))
}

// hostPath is what decides the route of a request. Paths with and without a slash at the end are the same.
type hostPath struct{ host, path string }

// CanonicalPath is the path of a route without slashes at its end: /users and /users/ match the same requests.
func CanonicalPath(path string) string { return cmp.Or(strings.TrimRight(path, "/"), "/") }

// checkOnce reports a route that no request can match, because an earlier one has the same host and path.
func (e *Edge) checkOnce(c *checker, path string, r EdgeRoute, routed map[hostPath]mesh.Origin) {
	if r.Path == "" {
		return // the path itself is wrong
	}
	for _, host := range r.Hosts {
		key := hostPath{host, CanonicalPath(r.Path)}
		if first, taken := routed[key]; taken && host != "" {
			c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("host %s with path %s is routed twice", host, key.path), Hint: "only one of the two routes can be taken"}, first)
			continue
		}
		routed[key] = r.Origin
	}
}

func (e *Edge) checkRoute(c *checker, path string, r EdgeRoute) {
	if r.To == "" {
		return
	}
	s := c.docs.Services.Get(r.To)
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

// noService reports a route to a name that no Service has.
func (c *checker) noService(path string, name mesh.ServiceName) {
	switch e := c.docs.Externals.Get(name); {
	case e != nil:
		c.reportWith(path, &yamldoc.Problem{Message: fmt.Sprintf("%s is an External, and routes lead to Services", name)}, e.Origin)
	case !c.unread[string(name)]:
		w := c.noSuch(name, false)
		w.Message = fmt.Sprintf("there is no Service %q", name)
		c.report(path, w)
	}
}
