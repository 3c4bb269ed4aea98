package main

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// keptEvents is how many events are kept.
const keptEvents = 1000

// events is what happened on the streams, the latest last.
type events struct {
	mu    sync.Mutex
	lines []string
}

// callbacks records events of streams, and refuses clients without a node ID. Streams call these functions
// themselves, so they only add a line.
func (e *events) callbacks() xds.Callbacks {
	return xds.Callbacks{
		StreamOpen: func(_ context.Context, s xds.StreamInfo) error {
			if s.Node.ID == "" {
				return status.Error(codes.Unauthenticated, "node has no ID")
			}
			e.add("%s opened %s", s.Node.ID, s.Method)
			return nil
		},
		StreamClose: func(s xds.StreamInfo, _ error) { e.add("%s closed %s", s.Node.ID, s.Method) },
		Request: func(s xds.StreamInfo, r xds.RequestInfo) error {
			if r.Nonce == "" {
				e.add("%s asked for %q", s.Node.ID, slices.Collect(r.Names.All()))
			}
			return nil
		},
		Response: func(s xds.StreamInfo, r xds.ResponseInfo) {
			e.add("%s was sent %q, without %q", s.Node.ID, slices.Collect(r.Resources.All()), slices.Collect(r.Removed.All()))
		},
		Rejected: func(s xds.StreamInfo, r xds.Rejection) { e.add("%s refused %q: %s", s.Node.ID, r.Names, r.Message) },
	}
}

func (e *events) add(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = append(e.lines, fmt.Sprintf(format, args...))
	if len(e.lines) > keptEvents {
		e.lines = slices.Delete(e.lines, 0, len(e.lines)-keptEvents)
	}
}

func (e *events) all() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.lines)
}
