package compile

import (
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// proxyless resolves a gRPC program that is its own proxy: the names it may dial.
func proxyless(docs *documents, node mesh.Node) (ir.Proxy, error) {
	service, err := manifest(docs, node)
	if err != nil {
		return ir.Proxy{}, err
	}
	called, err := calls(docs, service)
	if err != nil {
		return ir.Proxy{}, err
	}
	p := ir.Proxy{Node: node}
	for _, c := range called {
		target, origin := c.upstream.Target, c.upstream.Origin
		if why := beyondGRPC(c.upstream); why != "" {
			p.Unreachable = append(p.Unreachable, ir.Unreachable{Target: target, Why: why, Origin: origin})
			continue
		}
		p.Channels = append(p.Channels, ir.Channel{Target: target, Route: c.route, Origin: origin})
		p.Upstreams = append(p.Upstreams, c.upstream)
	}
	return p, nil
}

// beyondGRPC says why a gRPC program cannot reach u, or "". Clients take only endpoints by discovery
// or one DNS name (gRFC A27, A37), and certificates only from providers of their own bootstrap (A29).
func beyondGRPC(u ir.Upstream) string {
	switch {
	case !u.Protocol.IsHTTP2():
		return "it speaks " + string(u.Protocol) + ", and a gRPC program only grpc and http2"
	case u.TLS != nil:
		return "a gRPC program takes certificates from its own bootstrap only"
	case len(u.Addresses) > 0:
		return "a gRPC program finds externals by host only, not by addresses"
	default:
		return ""
	}
}
