package compile

import (
	"errors"
	"fmt"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// ErrNoDocument is the error for a node whose service or edge has no document in the revision.
var ErrNoDocument = errors.New("no document describes it")

// Compile resolves the configuration of the nodes of a view. docs must be valid.
//
// An error means that the node itself is wrong: its service or edge has no document (ErrNoDocument), or its local
// ports collide.
func Compile(docs *config.Documents, view mesh.View) (ir.Proxy, error) {
	p, _, err := Track(docs, view)
	return p, err
}

// Track does what Compile does, and returns which documents determined the result, whether it is a proxy or an error.
// A server uses a Cache instead.
func Track(docs *config.Documents, view mesh.View) (ir.Proxy, Reads, error) {
	tracked := &documents{set: docs}
	p, err := resolve(tracked, view.Node)
	return p, tracked.reads, err
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

// manifest returns the document of the node's service.
func manifest(docs *documents, node mesh.Node) (*config.Service, error) {
	if s := docs.service(node.Service); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("service %q: %w", node.Service, ErrNoDocument)
}
