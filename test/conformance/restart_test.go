package conformance

import (
	"testing"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// TestRestart restarts the server, or switches to another one with the same resources: a delta client gets nothing
// that it has.
func TestRestart(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		one, two := backend(t, "one"), backend(t, "two")
		first := serve(t, xdstest.Options{}, xds.ServerOptions{})
		first.publish(site(v, "a", one)...)
		e := runEnvoy(t, v, "", first.address)
		in := e.listener("in")
		reaches(t, in, "200 one")
		first.awaitAcknowledged(t, site(v, "a", one)...)
		first.stop()
		if err := answers(in, "any", "200 one"); err != nil {
			t.Errorf("without a server: %v", err)
		}
		second := serveAt(t, first.address, xdstest.Options{}, xds.ServerOptions{})
		second.publish(site(v, "a", one)...)
		takesOver(t, v, second, e, in, two)
	})
}

func TestMoveToAnotherServer(t *testing.T) {
	each(t, func(t *testing.T, v variant) {
		one, two := backend(t, "one"), backend(t, "two")
		first, second := serve(t, xdstest.Options{}, xds.ServerOptions{}), serve(t, xdstest.Options{}, xds.ServerOptions{})
		first.publish(site(v, "a", one)...)
		second.publish(site(v, "a", one)...)
		e := runEnvoy(t, v, "", first.address, second.address)
		in := e.listener("in")
		reaches(t, in, "200 one")
		first.awaitAcknowledged(t, site(v, "a", one)...)
		first.stop()
		takesOver(t, v, second, e, in, two)
	})
}

// takesOver waits until Envoy is in sync with a server that has the same resources, and then changes the endpoint.
func takesOver(t *testing.T, v variant, s *server, e *envoy, in, endpoint string) {
	t.Helper()
	s.awaitSubscribed(t, 4)
	if sent := s.sent(); v.delta && sent > 0 {
		t.Errorf("%d resources were sent to an Envoy that has them", sent)
	}
	s.publish(site(v, "a", endpoint)...)
	reaches(t, in, "200 two")
	if sent := s.sent(); v.delta && sent != 1 {
		t.Errorf("%d resources were sent for one changed assignment", sent)
	}
	expectNoRejection(t, e)
}
