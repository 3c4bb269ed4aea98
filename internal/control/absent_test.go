package control

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestProxyGone starts a server whose registry has instances from before the start. Those whose proxies do not return
// are shown as disconnected, and stay so.
func TestProxyGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := start(t, webCallsUsers)
		started := time.Now()
		proxy := sidecar(t, "web")
		with := func(id string, state registry.State) *registry.Instance {
			return &registry.Instance{Key: registry.Key{Service: "web", Address: netip.MustParseAddrPort("10.0.0.7:9211")}, Proxy: id, State: state}
		}
		expect := func(when, id string, state registry.State, want time.Time) {
			t.Helper()
			if got := s.ProxyGone(with(id, state)); !got.Equal(want) {
				t.Errorf("%s: the proxy of an instance that is %s is gone since %v, want %v", when, state, got, want)
			}
		}
		expect("at first", proxy.ID, registry.Healthy, time.Time{})
		time.Sleep(recoveryTime)
		expect("after the time to return", proxy.ID, registry.Healthy, started)
		expect("after the time to return", proxy.ID, registry.Unhealthy, started)
		expect("after the time to return", proxy.ID, registry.Starting, time.Time{})
		expect("after the time to return", "", registry.Healthy, time.Time{})

		s.views.open(proxy)
		expect("connected", proxy.ID, registry.Healthy, time.Time{})
		s.views.close(proxy)
		left := time.Now()
		expect("disconnected", proxy.ID, registry.Healthy, left)

		i := with(proxy.ID, registry.Healthy).WithDefaults()
		i.Lease = 2 * time.Hour
		if _, err := s.registry.CheckIn(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		expect("an hour later", proxy.ID, registry.Healthy, left)
		if err := s.registry.Leave(t.Context(), i.Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(keepUnused)
		if gone := s.Gone(); len(gone) != 0 {
			t.Errorf("%d nodes are remembered though their instances have left", len(gone))
		}
	})
}
