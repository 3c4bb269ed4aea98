package compile

import (
	"cmp"
	"fmt"
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// edge resolves an Envoy where traffic enters the mesh.
func edge(docs *documents, node mesh.Node) (ir.Proxy, error) {
	doc := docs.edge(node.Edge)
	if doc == nil {
		return ir.Proxy{}, fmt.Errorf("edge %q: %w", node.Edge, ErrNoDocument)
	}
	p := ir.Proxy{Node: node, Edge: &ir.Edge{Name: mesh.EdgeName(doc.Name), Origin: doc.Origin}}
	for _, l := range doc.Listeners {
		listener, err := edgeListener(node, l)
		if err != nil {
			return ir.Proxy{}, err
		}
		p.Edge.Listeners = append(p.Edge.Listeners, listener)
	}
	var err error
	if doc.Gateway != "" {
		p.Edge.Gateway = true
		p.Edge.Hosts, p.Upstreams, err = gatewayRoutes(docs)
	} else {
		p.Edge.Hosts, p.Upstreams, err = edgeRoutes(docs, doc)
	}
	if err != nil {
		return ir.Proxy{}, err
	}
	return p, collisions(p)
}

func edgeListener(node mesh.Node, l config.EdgeListener) (ir.EdgeListener, error) {
	address, err := netip.ParseAddr(l.Address)
	if err != nil {
		return ir.EdgeListener{}, fmt.Errorf("%s: listener %q: %w", l.Origin, l.Name, err)
	}
	listener := ir.EdgeListener{
		Name:   l.Name,
		Bind:   netip.AddrPortFrom(address.Unmap(), uint16(cmp.Or(node.Ports.Edge[l.Name], l.Port))),
		Origin: l.Origin,
	}
	if l.TLS != nil {
		listener.TLS = &ir.CertificateAt{Chain: l.TLS.Certificate, Key: l.TLS.Key}
	}
	return listener, nil
}
