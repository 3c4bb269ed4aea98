package compile

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// externalCall is the one target that an External is.
func externalCall(docs *documents, e *config.External, c config.Call) (call, error) {
	traffic := config.Resolve(c.Traffic, e.Traffic, docs.mesh().Defaults)
	upstream, err := externalUpstream(e, traffic, c.Origin)
	if err != nil {
		return call{}, err
	}
	r := route("/", upstream.Target, e.Protocol, traffic, c.Origin)
	if e.Protocol.IsHTTP() {
		r.Host = externalHost(e)
	}
	return call{upstream: upstream, route: r, localPort: docs.localPort(c)}, nil
}

// externalUpstream is how callers connect to an external. They make no health checks: what would pass
// one is its owner's to say. Outliers are found all the same.
func externalUpstream(e *config.External, t config.Effective, origin mesh.Origin) (ir.Upstream, error) {
	u := ir.Upstream{
		Target:         ir.Target{Kind: ir.External, Name: mesh.ServiceName(e.Name)},
		Protocol:       e.Protocol,
		ConnectTimeout: t.ConnectTimeout.Value,
		Limits:         limits(t.CircuitBreaker),
		Outliers:       outliers(t.Outliers),
		Origin:         origin,
	}
	if e.TLS != nil {
		u.TLS = &ir.UpstreamTLS{ServerName: cmp.Or(e.TLS.ServerName, e.Host), CA: e.TLS.CA}
	}
	if e.Host != "" {
		u.DNS = &ir.HostPort{Host: e.Host, Port: e.Port}
		return u, nil
	}
	for _, s := range e.Addresses {
		address, err := netip.ParseAddr(s)
		if err != nil {
			return ir.Upstream{}, fmt.Errorf("%s: external %q: %w", e.Origin, e.Name, err)
		}
		u.Addresses = append(u.Addresses, netip.AddrPortFrom(address.Unmap(), uint16(e.Port)))
	}
	return u, nil
}

// externalHost is the host that an external expects in requests: its DNS name, or the name of its
// certificate, with the port where it is not the scheme's own. It is "" when neither is known.
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
