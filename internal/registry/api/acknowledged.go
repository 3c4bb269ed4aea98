package api

import (
	"context"
	"errors"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// awaitAcknowledged waits until no proxy calls an instance that has left, at most for wait.
func (h *handler) awaitAcknowledged(ctx context.Context, service mesh.ServiceName, wait time.Duration) Left {
	if wait == 0 {
		return Left{Reason: "not asked to wait"}
	}
	if h.Settled == nil {
		return Left{Reason: "this server does not know what proxies acknowledge"}
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	start := time.Now()
	err := h.Settled(ctx, service)
	left := Left{Acknowledged: err == nil, Waited: Duration(time.Since(start))}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		left.Reason = "not every caller's proxy has acknowledged in that time"
	case err != nil:
		left.Reason = err.Error()
	}
	return left
}
