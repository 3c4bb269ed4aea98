package control

import (
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// Revisions are the live sets of documents, and which node gets which of them. Immutable.
type Revisions struct {
	// Accepted is for every node that is not pinned to another revision.
	Accepted *config.Snapshot
	// Pinned returns the revision that the node of that ID is pinned to, nil for a node that follows Accepted. It is
	// called from any goroutine, must not block, and must always return the same for a node. If the function is nil,
	// no node is pinned.
	Pinned func(id string, node mesh.Node) *config.Snapshot
}

// Documents gives the live revisions.
type Documents interface {
	// Revisions returns the live revisions and a channel that closes when they are stale.
	Revisions() (*Revisions, <-chan struct{})
}

// Accepted is a source of documents that has one revision in force.
type Accepted interface {
	// Accepted returns the documents in force, and a channel that closes when others are.
	Accepted() (*config.Snapshot, <-chan struct{})
}

// Everywhere gives every node the revision in force.
func Everywhere(a Accepted) Documents { return everywhere{a} }

type everywhere struct{ accepted Accepted }

func (e everywhere) Revisions() (*Revisions, <-chan struct{}) {
	accepted, stale := e.accepted.Accepted()
	return &Revisions{Accepted: accepted}, stale
}

// pin returns the revision that a node is pinned to, or nil.
func (r *Revisions) pin(node *xds.Node, n mesh.Node) *config.Snapshot {
	if r == nil || r.Pinned == nil {
		return nil
	}
	return r.Pinned(node.ID, n)
}
