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
	callee
	routes []*config.Traffic // of the routes, in the order of the document
	origin mesh.Origin       // of the first of them
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
			d = &destination{callee: servicePort(service, port), origin: r.Origin}
			destinations[target] = d
		}
		d.routes = append(d.routes, r.Traffic)
		traffic := d.settings(docs, r.Traffic)
		addRoute(hosts, r, d.routeOf(config.CanonicalPath(r.Path), &traffic, r.Origin))
	}
	return sortedHosts(hosts), destinationUpstreams(docs, destinations), nil
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
		traffic := d.settings(docs, slices.Clip(d.routes)...)
		all = append(all, d.upstreamOf(&traffic, d.origin))
	}
	slices.SortFunc(all, byTarget)
	return all
}
