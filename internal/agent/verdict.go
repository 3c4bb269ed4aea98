package agent

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
)

// How often an edge asks what the server says of it.
const (
	verdictInterval = 30 * time.Second
	pendingInterval = 100 * time.Millisecond // while its configuration is on its way to an Envoy that has become ready
	pendingLimit    = 2 * time.Second        // for how long
)

// setReady logs that Envoy is not ready, or lets followVerdict log that it is.
func (e *edge) setReady(err error) {
	if err != nil {
		e.Log.Warn("edge not ready", "edge", e.Edge, "error", err)
		return
	}
	select {
	case e.ready <- struct{}{}:
	default:
	}
}

// followVerdict logs that the edge is ready, and what the server says of it whenever that is something else. Envoy is
// ready, and a listener takes connections, also if its certificate was refused: only the server says so.
func (e *edge) followVerdict(ctx context.Context, envoy *supervisor.Envoy) error {
	said := ""
	ticker := time.NewTicker(verdictInterval)
	defer ticker.Stop()
	for {
		ready := false
		select {
		case <-e.ready:
			ready = true
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		why := e.verdict(ctx, envoy.Bootstrap.NodeID())
		switch {
		case ctx.Err() != nil:
			return nil
		case why == "" && ready:
			e.Log.Info("edge ready", "edge", e.Edge)
		case why == "" && said != "":
			e.Log.Info("edge in sync again", "edge", e.Edge)
		case why != "" && (ready || why != said):
			e.Log.Warn("edge serves, but not all that it should", "edge", e.Edge, "why", why)
		}
		said = why
	}
}

// verdict is what the server says of the edge's proxy: "" if it is in sync, else why it is not. A change that is on its
// way is given some time to arrive.
func (e *edge) verdict(ctx context.Context, node string) string {
	for limit := time.Now().Add(pendingLimit); ; {
		p, err := e.proxy(ctx, node)
		switch {
		case err != nil:
			return err.Error()
		case p.Connected && p.State != api.Pending || time.Now().After(limit) || !backoff.Sleep(ctx, pendingInterval):
			return e.explain(p)
		}
	}
}

// proxy is what the server knows of the edge's proxy; the zero Proxy if that is nothing.
func (e *edge) proxy(ctx context.Context, node string) (api.Proxy, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	status, err := e.server.Status(ctx)
	if err != nil {
		return api.Proxy{}, err
	}
	for _, p := range status.Proxies {
		if p.Node == node {
			return p, nil
		}
	}
	return api.Proxy{}, nil
}

// explain says in one line why a proxy is not in sync: above all what Envoy has refused, such as a certificate, with
// Envoy's message and the document's line. It is "" for a proxy in sync.
func (e *edge) explain(p api.Proxy) string {
	if p.Node == "" {
		return "the server does not see it: no connection to the server's gRPC port at " + e.XDS + " (--xds)"
	}
	var refused []string
	for _, kind := range slices.Sorted(maps.Keys(p.Types)) {
		if r := p.Types[kind].Rejected; r != nil {
			refused = append(refused, explainRejection(kind, *r))
		}
	}
	if refused != nil {
		return strings.Join(refused, "; ")
	}
	return p.Why
}

func explainRejection(kind string, r api.Rejection) string {
	what := kind + " refused"
	if kind == "listeners" || kind == "secrets" { // the certificate of a listener has the listener's name
		var names []string
		for _, name := range r.Names {
			names = append(names, strings.TrimPrefix(name, "edge/"))
		}
		what = fmt.Sprintf("listener %s was refused", strings.Join(names, ", "))
	}
	text := what + ": " + strings.TrimSpace(r.Message)
	if len(r.Origins) > 0 {
		text += " (" + strings.Join(r.Origins, ", ") + ")"
	}
	return text
}
