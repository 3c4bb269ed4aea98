package compile

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// destination is one port of a service that an edge's routes lead to.
type destination struct {
	service *config.Service
	port    int
	plain   call              // for routes without settings of their own
	routes  []*config.Traffic // settings of the routes that have any, in the order of the document
	origin  mesh.Origin       // of the first route
}

// edgeRoutes resolves the routes of an edge, by host, and everything that they lead to.
//
// A connection to a service serves all routes that lead to it. So settings of the connection, in contrast to those of
// a request, come from the first route that has them.
func edgeRoutes(docs *documents, doc *config.Edge) ([]ir.VirtualHost, []ir.Upstream, error) {
	hosts := map[string]*ir.VirtualHost{}
	destinations := map[ir.Target]*destination{}
	for _, r := range doc.Routes {
		service, port, err := routeTo(docs, r)
		if err != nil {
			return nil, nil, err
		}
		target := serviceTarget(service, port)
		d := destinations[target]
		if d == nil {
			calls, err := docs.callsTo(config.Call{To: r.To})
			if err != nil {
				return nil, nil, err
			}
			d = &destination{service: service, port: port, plain: calls[port], origin: r.Origin}
			destinations[target] = d
		}
		route := d.route(docs, r)
		route.Announce = len(docs.mesh().Networks) > 0
		addRoute(hosts, r, route)
	}
	return sortedHosts(hosts), destinationUpstreams(docs, destinations), nil
}

// route adds a route to the destination and returns it.
func (d *destination) route(docs *documents, r config.EdgeRoute) ir.Route {
	path := config.CanonicalPath(r.Path)
	if r.Traffic == nil {
		to := d.plain.route
		to.Path, to.Origin = path, r.Origin
		return to
	}
	d.routes = append(d.routes, r.Traffic)
	c := servicePort(d.service, d.port)
	traffic := c.settings(docs, r.Traffic)
	return c.routeOf(path, &traffic, r.Origin)
}

// upstream returns how the edge connects to the destination.
func (d *destination) upstream(docs *documents) ir.Upstream {
	if d.routes == nil {
		u := d.plain.upstream
		u.Origin = d.origin
		return u
	}
	c := servicePort(d.service, d.port)
	traffic := c.settings(docs, slices.Clip(d.routes)...)
	return c.upstreamOf(&traffic, d.origin)
}

// routeTo finds the service and the index of the port that a route leads to.
func routeTo(docs *documents, r config.EdgeRoute) (*config.Service, int, error) {
	s := docs.service(r.To)
	if s == nil {
		return nil, 0, fmt.Errorf("%s: route to %q: %w", r.Origin, r.To, ErrNoDocument)
	}
	port := 0
	if r.Port != "" {
		port = slices.IndexFunc(s.Ports, func(p config.Port) bool { return p.Name == r.Port })
	}
	if port < 0 || port >= len(s.Ports) || !s.Ports[port].Protocol.IsHTTP() {
		return nil, 0, fmt.Errorf("%s: route to %q: it serves no HTTP port %q", r.Origin, r.To, r.Port)
	}
	return s, port, nil
}

func addRoute(hosts map[string]*ir.VirtualHost, r config.EdgeRoute, to ir.Route) {
	for _, host := range r.Hosts {
		if hosts[host] == nil {
			hosts[host] = &ir.VirtualHost{Hosts: []string{host}, Origin: r.Origin}
		}
		hosts[host].Routes = append(hosts[host].Routes, to)
	}
}

// sortedHosts sorts hosts by name, and the routes of each so that longer paths come first.
func sortedHosts(hosts map[string]*ir.VirtualHost) []ir.VirtualHost {
	var all []ir.VirtualHost
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		host := *hosts[name]
		slices.SortStableFunc(host.Routes, func(a, b ir.Route) int {
			return cmp.Or(cmp.Compare(len(b.Path), len(a.Path)), cmp.Compare(a.Path, b.Path))
		})
		all = append(all, host)
	}
	return all
}

func destinationUpstreams(docs *documents, destinations map[ir.Target]*destination) []ir.Upstream {
	var all []ir.Upstream
	for _, d := range destinations {
		all = append(all, d.upstream(docs))
	}
	slices.SortFunc(all, byTarget)
	return all
}
