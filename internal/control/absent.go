package control

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// isExpected reports whether the proxy of an instance should be connected: it has one, and the instance takes traffic.
// An instance that starts, leaves or is in maintenance may be without its proxy.
func isExpected(i *registry.Instance) bool {
	state, _ := i.Condition()
	return i.Proxy != "" && (state == registry.Healthy || state == registry.Unhealthy)
}

// ExpectedProxies returns the node IDs of all proxies that should be connected to this server; none if instances are
// shared with other servers.
func (s *State) ExpectedProxies() map[string]bool {
	expected := map[string]bool{}
	if s.Shared || s.Instances == nil {
		return expected
	}
	for _, of := range s.Instances.ByService() {
		for _, i := range of {
			if isExpected(i) {
				expected[i.Proxy] = true
			}
		}
	}
	return expected
}

// ProxyGone returns since when the proxy in front of a registered instance has not been connected; zero if it is
// connected or nothing is known, as when it may be connected to another server. An instance without its proxy is
// probably dead, whatever it was checked in with.
//
// This server sees proxies leave. It also expects those of instances that it knows from before its start: one that has
// not come back within recoveryTime counts as gone since the start.
func (c *Control) ProxyGone(i *registry.Instance) time.Time {
	if i.Proxy == "" || c.inputs.Shared {
		return time.Time{}
	}
	connected, left := c.views.connection(i.Proxy)
	switch {
	case connected, !left.IsZero():
		return left
	case isExpected(i) && time.Since(c.started) >= recoveryTime:
		return c.started
	}
	return time.Time{}
}

// connection reports whether a node is connected, and if not when it left, zero if that is not known.
func (v *views) connection(id string) (connected bool, left time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.streams[id] > 0, v.gone[id].At
}
