package agent

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/agent/capture"
	resources "github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// capturer captures the connections of an instance.
type capturer struct {
	*capture.Capture               // nil when connections are not captured
	added            chan struct{} // closes when connections are captured, or are not to be
	hosts            capturedHosts
}

// openCapture makes this agent the one that captures in its network namespace, if it is to.
func (i *instance) openCapture(ctx context.Context) error {
	switch {
	case !i.Capture:
		close(i.capture.added)
		return nil
	case i.Proxyless:
		return errors.New("capture: an application without Envoy has nothing to which its connections could be redirected")
	case i.host.relay == nil:
		return errors.New("capture: needs a state folder (--state-dir)")
	}
	c := i.capture
	c.hosts.acknowledged = i.acknowledged
	var err error
	if c.Capture, err = capture.Open(c.hosts.now, i.Log); err != nil {
		return err
	}
	i.captureIPv6, i.Proxy.Group = c.IPv6(), capture.Group
	i.host.succession.files = c.Files
	if i.host.succession.inherited != nil {
		c.Inherit(i.host.succession.Inherited.Files)
		return nil
	}
	return c.Remove(ctx) // what a killed agent has left
}

// acknowledged is a resource that the instance's Envoy has; nil if it does not have it.
func (i *instance) acknowledged(ref xds.Ref) *xds.Resource {
	select {
	case <-i.member.known:
		return i.host.relay.Acknowledged(i.member.value.envoy.Bootstrap.NodeID(), ref)
	default:
		return nil
	}
}

// listenerEvery is how often it is looked whether Envoy has the listener for captured connections.
const listenerEvery = 20 * time.Millisecond

// runCapture redirects connections from when Envoy is ready on and it is known for which names. They stay redirected while
// Envoy is started again.
func (i *instance) runCapture(ctx context.Context) error {
	select {
	case <-i.ready:
	case <-ctx.Done():
		return nil
	}
	for i.capture.hosts.now() == nil {
		if !backoff.Sleep(ctx, listenerEvery) {
			return nil
		}
	}
	return i.capture.Run(ctx, i.CapturePort, func() {
		i.Log.Info("connections to these names are captured", "names", slices.Sorted(maps.Keys(i.capture.hosts.now())))
		close(i.capture.added)
	})
}

// releaseConnections ends the redirection. The application has ended before.
func (i *instance) releaseConnections(ctx context.Context) {
	if err := i.capture.Remove(ctx); err != nil {
		i.Log.Error("connections to names of the mesh are still redirected: doyen agent capture remove ends that", "error", err)
	}
}

func (c *capturer) close() {
	if c.Capture != nil {
		c.Close()
	}
}

// capturedHosts are the hosts that Envoy has listeners and routes for. So what DNS says is what Envoy knows, whenever that
// changes, and also while no server answers.
type capturedHosts struct {
	acknowledged func(xds.Ref) *xds.Resource

	mu               sync.Mutex
	listener, routes *xds.Resource // from which hosts was made
	hosts            map[string]mesh.Virtual
}

// now returns the hosts; nil while none have been known. The map is not changed any more.
func (h *capturedHosts) now() map[string]mesh.Virtual {
	listener := h.acknowledged(xds.Ref{Type: xds.ListenerType, Name: resources.CaptureName})
	routes := h.acknowledged(xds.Ref{Type: xds.RouteType, Name: resources.EgressName})
	h.mu.Lock()
	defer h.mu.Unlock()
	// Without a listener the relay does not know yet what Envoy has.
	if listener != nil && (listener != h.listener || routes != h.routes) {
		hosts, err := resources.CapturedHosts(listener, routes)
		if err == nil { // Envoy acknowledged these messages, so they can be read
			h.listener, h.routes, h.hosts = listener, routes, hosts
		}
	}
	return h.hosts
}
