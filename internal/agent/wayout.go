package agent

import (
	"context"
	"log/slog"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

// gone says goodbye for an application that ended by itself.
func (a *agent) gone(app *process.Process) {
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

// wayOut ends the instance in the order in which no request is lost; Envoy ends after it.
func (a *agent) wayOut(app *process.Process) {
	a.Log.Info("stopping: leaving the registry, draining, then ending the application")
	a.stopChecks()
	ctx, cancel := patience(a.DrainTimeout, a.Hurry, app.Done())
	defer cancel()
	left := a.lease != nil && a.lease.leave(ctx, a.DrainTimeout/2)
	if a.proxy != nil {
		if !left {
			a.shutOut(ctx)
		}
		a.proxy.drain(ctx, a.Log)
	}
	app.Stop(a.StopTimeout, a.Hurry)
	a.Log.Info("application ended", "status", app.Code())
}

// shutOut closes the doors to callers whom no server told of the end: they are asked to go as their
// connections drain, and what they cannot connect to any more they leave alone.
func (a *agent) shutOut(ctx context.Context) {
	if err := a.proxy.admin.closeInbound(ctx); err != nil {
		a.Log.Warn("listeners cannot be closed", "error", err)
	}
}

// patience returns a context that ends after limit, with over, or when it is time to hurry.
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
