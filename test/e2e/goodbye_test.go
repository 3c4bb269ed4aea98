package e2e

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// payments is a gRPC service that an edge, sidecars and proxyless programs call without retries.
func payments() map[string]string {
	return map[string]string{
		"mesh.yaml":     "kind: Mesh\nname: shop\ndefaults: {retries: 0}\n",
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: {grpc: \"\", interval: 1s, timeout: 1s}\n",
		"web.yaml":      "kind: Service\nname: web\nports: [8080]\ncalls: [payments]\n",
		"reports.yaml":  "kind: Service\nname: reports\ncalls: [payments]\n",
		"edge.yaml":     "kind: Edge\nname: public\nlisteners: [{name: http, address: 127.0.0.1, port: 8000}]\nroutes: [{to: payments}]\n",
	}
}

// callersOfPayments starts an edge, a sidecar and a proxyless program that call payments, and returns a
// connection through each of them.
func (m *mesh) callersOfPayments() map[string]*grpc.ClientConn {
	m.t.Helper()
	web := m.startInstance("web", "web-1", options{})
	edge := m.launchEdge("public", "http")
	edge.listens(m.t, "http")
	conns := map[string]*grpc.ClientConn{
		"edge":      connect(m.t, edge.ports["http"]),
		"sidecar":   connect(m.t, web.egress),
		"proxyless": m.dial("reports", "xds:///payments"),
	}
	for caller, conn := range conns {
		eventually(m.t, caller+" is answered", func() string {
			_, err := callGRPC(conn)
			return reason(err)
		})
	}
	return conns
}

// connect dials a proxy on this machine, with payments as the authority.
func connect(t *testing.T, port int) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(fmt.Sprintf("passthrough:///127.0.0.1:%d", port),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithAuthority("payments"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestGoodbyeUnderLoad stops instances one after the other while an edge, a sidecar and a proxyless program call the
// service: no call fails.
func TestGoodbyeUnderLoad(t *testing.T) {
	m := newMesh(t, payments())
	leaving := m.startInstance("payments", "payments-1", options{env: []string{kindVariable + "=grpc"}})
	calls := map[string]*traffic{}
	for caller, conn := range m.callersOfPayments() {
		calls[caller] = startCalls(t, conn)
	}
	for n := range 3 {
		name := fmt.Sprintf("payments-%d", n+2)
		next := m.startInstance("payments", name, options{env: []string{kindVariable + "=grpc"}})
		for caller, traffic := range calls {
			eventually(t, name+" answers "+caller, func() string { return answered(traffic, name) })
		}
		leaving.terminate()
		if code := leaving.wait(t); code != 0 {
			t.Errorf("the agent ended with status %d", code)
		}
		leaving = next
	}
	for caller, traffic := range calls {
		t.Log(caller)
		traffic.mustNotFail(t)
	}
}

// TestGoodbyeWithoutAServer stops an instance while no server is there to tell its callers: its Envoy tells them that it
// is draining, and the agent waits for them to go, for no longer than its limit. No call fails.
func TestGoodbyeWithoutAServer(t *testing.T) {
	const limit = 8 * time.Second
	m := newMesh(t, payments())
	leaving := m.startInstance("payments", "payments-1", options{
		env: []string{kindVariable + "=grpc"}, args: []string{"--drain-timeout", limit.String()},
	})
	m.startInstance("payments", "payments-2", options{env: []string{kindVariable + "=grpc"}})
	calls := map[string]*traffic{}
	for caller, conn := range m.callersOfPayments() {
		calls[caller] = startCalls(t, conn)
		eventually(t, "payments-1 answers "+caller, func() string { return answered(calls[caller], "payments-1") })
	}
	m.stopServer()
	started := time.Now()
	leaving.terminate()
	if code := leaving.wait(t); code != 0 {
		t.Errorf("the agent ended with status %d", code)
	}
	if took := time.Since(started); took > limit+5*time.Second {
		t.Errorf("the agent took %v: want no more than its limit, %v, and the time to end", took, limit)
	}
	calls["edge"].sends(t, rate) // the others run alongside
	for caller, traffic := range calls {
		t.Log(caller)
		traffic.mustNotFail(t)
	}
}
