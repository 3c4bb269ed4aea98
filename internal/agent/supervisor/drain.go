package supervisor

import (
	"context"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
)

// A proxy counts as drained when nobody is connected to it, seen drainLooks times drainPoll apart, or
// when nobody who still is has asked anything for drainQuiet. One look would not do: between the
// acknowledgement of a caller's proxy and the moment all its threads act on it there are milliseconds.
const (
	drainPoll  = 50 * time.Millisecond
	drainLooks = 3
	drainQuiet = time.Second
)

// The statistics of the listeners where callers come in: of sidecars ingress_PORT, of edges edge_LISTENER.
const (
	inboundStats  = `^(listener\.(ingress|edge)_[^.]+\.downstream_cx_active|http\.(ingress|edge)_[^.]+\.downstream_rq_(active|total))$`
	connectionsIn = ".downstream_cx_active"
	requestsIn    = ".downstream_rq_active"
	requestsEver  = ".downstream_rq_total"
)

// load is what callers have under way.
type load struct {
	connections, requests uint64
	ever                  uint64 // requests since Envoy started
}

// FailHealthCheck makes Envoy say that it is draining: health checks of its callers fail, its responses say so, HTTP/1
// connections are closed after a response, and HTTP/2 connections get a GOAWAY. It reports whether Envoy does so.
func (e *Envoy) FailHealthCheck(ctx context.Context) bool {
	e.draining.Store(true)
	err := e.admin.failHealthCheck(ctx)
	if err != nil {
		e.Log.Warn("envoy cannot be drained", "error", err)
	}
	return err == nil
}

// Drain makes Envoy ask its callers to go, and waits until they have gone or ctx ends. With closeListeners Envoy also
// stops accepting connections.
func (e *Envoy) Drain(ctx context.Context, closeListeners bool) {
	defer e.admin.close()
	if closeListeners {
		if err := e.admin.closeInbound(ctx); err != nil {
			e.Log.Warn("listeners cannot be closed", "error", err)
		}
	}
	if !e.FailHealthCheck(ctx) {
		return
	}
	started := time.Now()
	now, err := e.quietDown(ctx)
	waited := time.Since(started).Round(time.Millisecond).String()
	switch {
	case err == nil:
		e.Log.Info("drained", "waited", waited)
	case ctx.Err() != nil:
		e.Log.Warn("drain ended early", "waited", waited, "requests", now.requests, "connections", now.connections)
	default:
		e.Log.Warn("drain ended early", "waited", waited, "error", err)
	}
}

// quietDown waits until the proxy counts as drained. With an error it returns the load it saw last.
func (e *Envoy) quietDown(ctx context.Context) (load, error) {
	looks, asked := 0, time.Now()
	var last load
	for looks < drainLooks && time.Since(asked) < drainQuiet {
		now, err := e.load(ctx)
		if err != nil {
			return last, err
		}
		if now.connections == 0 {
			looks++
		} else {
			looks = 0
		}
		if now.requests > 0 || now.ever != last.ever {
			asked = time.Now()
		}
		last = now
		if !backoff.Sleep(ctx, drainPoll) {
			return last, ctx.Err()
		}
	}
	return last, nil
}

// load asks Envoy what its callers have under way. On a listener without HTTP each connection counts
// as a request.
func (e *Envoy) load(ctx context.Context) (load, error) {
	gauges, err := e.admin.gauges(ctx, inboundStats)
	if err != nil {
		return load{}, err
	}
	var l load
	for name, connections := range gauges {
		listener, ok := strings.CutSuffix(strings.TrimPrefix(name, "listener."), connectionsIn)
		if !ok {
			continue
		}
		l.connections += connections
		if requests, http := gauges["http."+listener+requestsIn]; http {
			l.requests += requests
			l.ever += gauges["http."+listener+requestsEver]
		} else {
			l.requests += connections
		}
	}
	return l, nil
}
