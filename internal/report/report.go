package report

import "github.com/doyen-mesh/doyen/xds"

// Snapshot is what proxies had reported at one moment. Immutable.
type Snapshot struct {
	// Rejections are what connected nodes have rejected and not accepted since, by node ID, then by type, then
	// by time. Of one stream and type there are at most MaxRejections.
	Rejections []Rejection

	changed chan struct{}
}

// Changed returns a channel that closes when the snapshot is stale.
func (s *Snapshot) Changed() <-chan struct{} { return s.changed }

// Rejection is a change that a node has rejected (NACK).
type Rejection struct {
	Node *xds.Node
	// Rejection is the server's record of it. Its names are those that the node has not accepted since, at most
	// MaxNames of them.
	xds.Rejection
}

// Limits of what is kept of one stream.
const (
	MaxRejections = 16 // of one type; the newest are kept
	MaxNames      = 64 // of one rejection
)
