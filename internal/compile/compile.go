package compile

import (
	"errors"
	"fmt"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// ErrNoDocument is what a node gets whose service or edge is in no document of the revision.
var ErrNoDocument = errors.New("no document describes it")

// Compile resolves what the nodes of view do. docs must be valid.
//
// An error means that the node itself asks for something that cannot be: a service or edge that is in
// no document (ErrNoDocument), or local ports that collide.
func Compile(docs *config.Documents, view mesh.View) (ir.Proxy, error) {
	p, _, err := Track(docs, view)
	return p, err
}

// Track is Compile. It also returns which documents decided the result, be it a proxy or an error. A server uses a
// Cache instead.
func Track(docs *config.Documents, view mesh.View) (ir.Proxy, Reads, error) {
	tracked := &documents{set: docs, reads: map[config.Key]struct{}{}}
	p, err := resolve(tracked, view.Node)
	return p, tracked.read(), err
}

func resolve(docs *documents, node mesh.Node) (ir.Proxy, error) {
	switch node.Role {
	case mesh.Sidecar:
		return sidecar(docs, node)
	case mesh.EdgeProxy:
		return edge(docs, node)
	case mesh.Proxyless:
		return proxyless(docs, node)
	default:
		return ir.Proxy{}, fmt.Errorf("role %q: want %s, %s or %s", node.Role, mesh.Sidecar, mesh.EdgeProxy, mesh.Proxyless)
	}
}

// manifest is the document of the service that node runs.
func manifest(docs *documents, node mesh.Node) (*config.Service, error) {
	if s := docs.service(node.Service); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("service %q: %w", node.Service, ErrNoDocument)
}
