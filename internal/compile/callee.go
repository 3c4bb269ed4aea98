package compile

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// callee is one target as its own document describes it, independent of its callers: a port of a service, or an
// external.
type callee struct {
	upstream ir.Upstream     // without settings and without the caller's origin
	traffic  *config.Traffic // of the document
	host     string          // that the target expects in requests; "" leaves the caller's
}

// calleesOf returns the targets of a name: every port of a service, in the order of its manifest, or one external.
func calleesOf(docs *documents, name mesh.ServiceName) ([]callee, error) {
	if s := docs.service(name); s != nil {
		var all []callee
		for i := range s.Ports {
			all = append(all, servicePort(s, i))
		}
		return all, nil
	}
	if e := docs.external(name); e != nil {
		c, err := external(e)
		return []callee{c}, err
	}
	return nil, ErrNoDocument
}

// settings resolves how a caller reaches the callee. The caller's settings override those of the document and the
// mesh.
func (c callee) settings(docs *documents, caller ...*config.Traffic) config.Traffic {
	return config.Resolve(append(caller, c.traffic, docs.mesh().Defaults)...)
}

// upstreamOf builds every upstream: how a caller connects to the callee.
func (c callee) upstreamOf(t *config.Traffic, origin mesh.Origin) ir.Upstream {
	u := c.upstream
	u.Origin = origin
	u.DecidedAt = distinct(append(slices.Clip(u.DecidedAt), apply(upstreamSettings, &u, t)...))
	if u.Outliers.ConsecutiveErrors == 0 {
		u.Outliers = nil
	}
	return u
}

// routeOf returns the route by which requests below a path reach the callee.
func (c callee) routeOf(path string, t *config.Traffic, origin mesh.Origin) ir.Route {
	r := ir.Route{Path: path, Target: c.upstream.Target, Protocol: c.upstream.Protocol, Host: c.host, Origin: origin}
	if r.Protocol == mesh.TCP {
		return r
	}
	apply(routeSettings, &r, t)
	if r.Retries.Attempts == 0 || len(r.Retries.On) == 0 {
		r.Retries = nil
	}
	return r
}

// distinct returns the places in documents among origins, without duplicates, in their order. A built-in value has
// none.
func distinct(origins []mesh.Origin) []mesh.Origin {
	var all []mesh.Origin
	for _, origin := range origins {
		if origin != (mesh.Origin{}) && !slices.Contains(all, origin) {
			all = append(all, origin)
		}
	}
	return all
}

// servicePort returns the i-th port of a service.
func servicePort(s *config.Service, i int) callee {
	port := s.Ports[i]
	c := callee{
		upstream: ir.Upstream{Target: serviceTarget(s, i), Protocol: port.Protocol, Health: health(s, i)},
		traffic:  s.Traffic,
	}
	c.upstream.DecidedAt = []mesh.Origin{port.Origin}
	if s.Health != nil {
		c.upstream.DecidedAt = append(c.upstream.DecidedAt, s.Health.Origin)
	}
	return c
}

// serviceTarget returns the target of a service's i-th port.
func serviceTarget(s *config.Service, i int) ir.Target {
	target := ir.Target{Kind: ir.Service, Name: mesh.ServiceName(s.Name)}
	if i > 0 {
		target.Port = s.Ports[i].Name
	}
	return target
}

// external returns the callee for a host outside the mesh. Callers make no health checks, because its owner does not
// say which request would pass one. Outlier detection still applies.
func external(e *config.External) (callee, error) {
	c := callee{
		upstream: ir.Upstream{Target: ir.Target{Kind: ir.External, Name: mesh.ServiceName(e.Name)}, Protocol: e.Protocol},
		traffic:  e.Traffic,
	}
	c.upstream.DecidedAt = []mesh.Origin{e.Origin}
	if e.Protocol.IsHTTP() {
		c.host = externalHost(e)
	}
	if e.TLS != nil {
		c.upstream.TLS = &ir.UpstreamTLS{ServerName: cmp.Or(e.TLS.ServerName, e.Host), CA: e.TLS.CA}
	}
	if e.Host != "" {
		c.upstream.DNS = &ir.HostPort{Host: e.Host, Port: e.Port}
		return c, nil
	}
	for _, s := range e.Addresses {
		address, err := netip.ParseAddr(s)
		if err != nil {
			return callee{}, fmt.Errorf("%s: external %q: %w", e.Origin, e.Name, err)
		}
		c.upstream.Addresses = append(c.upstream.Addresses, netip.AddrPortFrom(address.Unmap(), uint16(e.Port)))
	}
	return c, nil
}

// externalHost returns the host that an external expects in requests: its DNS name, or the name in its certificate,
// with the port unless it is the default port of the scheme. It is "" if neither is known.
func externalHost(e *config.External) string {
	host, usual := e.Host, 80
	if e.TLS != nil {
		host, usual = cmp.Or(e.Host, e.TLS.ServerName), 443
	}
	if host == "" || e.Port == usual {
		return host
	}
	return net.JoinHostPort(host, strconv.Itoa(e.Port))
}
