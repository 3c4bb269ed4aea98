package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

// applicationEnded removes the instance from the registry after its application has ended by itself.
func (a *agent) applicationEnded(app *process.Process) {
	a.Log.Log(context.Background(), endLevel(app.Code()), "application ended", "status", app.Code())
	a.stopChecks()
	if a.lease != nil {
		a.lease.leave(context.Background(), 0)
	}
}

func endLevel(code int) slog.Level {
	if code == 0 {
		return slog.LevelInfo
	}
	return slog.LevelError
}

// shutDown stops the instance in the order that drops no request. Envoy is stopped after it.
func (a *agent) shutDown(app *process.Process) {
	a.Log.Info("stopping: leaving the registry, draining, then ending the application")
	a.stopChecks()
	ctx, cancel := patience(a.DrainTimeout, a.Hurry, app.Done())
	defer cancel()
	left := a.lease != nil && a.lease.leave(ctx, a.DrainTimeout/2)
	if a.proxy != nil {
		if !left {
			a.closeInbound(ctx)
		}
		a.proxy.drain(ctx, a.Log)
	}
	app.Stop(a.StopTimeout, a.Hurry)
	a.Log.Info("application ended", "status", app.Code())
}

// closeInbound closes the listeners for callers that no server has told of the shutdown: their open connections
// drain, and they choose another instance when they cannot connect.
func (a *agent) closeInbound(ctx context.Context) {
	if err := a.proxy.admin.closeInbound(ctx); err != nil {
		a.Log.Warn("listeners cannot be closed", "error", err)
	}
}

// patience returns a context that ends after limit, or earlier when hurry or over is closed.
func patience(limit time.Duration, hurry, over <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() {
		defer cancel()
		select {
		case <-hurry:
		case <-over:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
