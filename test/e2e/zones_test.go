package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// zoned is one instance in a zone, which is healthy while a file does not exist.
type zoned struct {
	*instance
	service string
	sick    string
}

// startIn starts an instance of service without a proxy in a zone.
func (m *mesh) startIn(zone, service, name, kind string) *zoned {
	m.t.Helper()
	z := &zoned{service: service, sick: filepath.Join(m.t.TempDir(), "sick")}
	z.instance = m.launchInstance(service, name, options{
		zone: zone, args: []string{"--no-envoy"}, env: []string{kindVariable + "=" + kind, "UNHEALTHY=" + z.sick},
	})
	eventually(m.t, name+" is checked in as healthy", func() string { return m.stateOf(service, z.app, "healthy") })
	return z
}

// setSick makes the instance fail its health check, or pass it, and waits until the registry knows.
func (m *mesh) setSick(z *zoned, sick bool) {
	m.t.Helper()
	state, err := "healthy", error(nil)
	if sick {
		state, err = "unhealthy", os.WriteFile(z.sick, nil, 0o644)
	} else {
		err = os.Remove(z.sick)
	}
	if err != nil {
		m.t.Fatal(err)
	}
	eventually(m.t, z.name+" is "+state, func() string { return m.stateOf(z.service, z.app, state) })
}

// share returns how many percent of the next n answers come from an instance.
func share(t *testing.T, n int, call func() (string, error), app string) int {
	t.Helper()
	answered := 0
	for range n {
		name, err := call()
		if err != nil {
			t.Fatal(err)
		}
		if name == app {
			answered++
		}
	}
	return answered * 100 / n
}

// TestZonesOfEnvoy: the requests of an Envoy stay in its zone while the instances there are healthy, spill to the next zone
// in proportion when some are not, and all go there when the zone stops in an orderly way, without a failure.
func TestZonesOfEnvoy(t *testing.T) {
	m := newMesh(t, map[string]string{
		"users.yaml":  "kind: Service\nname: users\nports: [8080]\nhealth: {http: /healthz, interval: 200ms, timeout: 200ms}\n",
		"public.yaml": "kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: users}\n",
	})
	first := m.startIn("eu/a", "users", "users-a1", "http")
	second := m.startIn("eu/a", "users", "users-a2", "http")
	m.startIn("eu/b", "users", "users-b1", "http")
	m.startIn("us/a", "users", "users-us", "http")
	t.Setenv("DOYEN_ZONE", "eu/a")
	edge := m.startEdge("public")
	client := newClient(t)
	call := func() (string, error) { return ask(client, edge, "any") }
	sharesAre := func(when string, low, high int) {
		t.Helper()
		eventually(t, when, func() string { return want("percent of the other zone", share(t, 300, call, "users-b1"), low, high) })
	}

	sharesAre("all are healthy", 0, 0)
	m.setSick(first, true)
	sharesAre("half of the zone is healthy", 20, 40) // 100 % - 50 % x 1.4
	m.setSick(first, false)
	sharesAre("all are healthy again", 0, 0)
	if answers := share(t, 100, call, "users-us"); answers != 0 {
		t.Errorf("%d %% of the requests went to another region", answers)
	}

	traffic := startTraffic(t, edge, "any")
	traffic.sends(t, 100)
	first.terminate()
	second.terminate()
	first.wait(t)
	second.wait(t)
	sharesAre("the zone is gone", 100, 100)
	m.startIn("eu/a", "users", "users-a3", "http")
	sharesAre("the zone is back", 0, 0)
	traffic.mustNotFail(t)
}

// TestZonesOfGRPC: a gRPC program uses one priority at a time: its zone as long as one instance there is healthy, then the
// next zone, and its own again.
func TestZonesOfGRPC(t *testing.T) {
	m := newMesh(t, map[string]string{
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: {grpc: \"\", interval: 200ms, timeout: 200ms}\n",
		"reports.yaml":  "kind: Service\nname: reports\ncalls: [payments]\n",
	})
	var near []*zoned
	for n := range 2 {
		near = append(near, m.startIn("eu/a", "payments", fmt.Sprintf("payments-a%d", n), "grpc"))
	}
	m.startIn("eu/b", "payments", "payments-b", "grpc")
	t.Setenv("DOYEN_ZONE", "eu/a")
	conn := m.dial("reports", "xds:///payments")
	calls := startCalls(t, conn)
	sharesAre := func(when string, low, high int) {
		t.Helper()
		eventually(t, when, func() string {
			return want("percent of the other zone", share(t, 100, func() (string, error) { return callGRPC(conn) }, "payments-b"), low, high)
		})
	}
	sharesAre("all are healthy", 0, 0)
	m.setSick(near[0], true)
	sharesAre("one of the zone is healthy", 0, 0)
	m.setSick(near[1], true)
	sharesAre("none of the zone is healthy", 100, 100)
	m.setSick(near[0], false)
	sharesAre("one of the zone is healthy again", 0, 0)
	near[0].terminate()
	near[0].wait(t)
	sharesAre("the zone is gone", 100, 100)
	calls.mustNotFail(t)
}
