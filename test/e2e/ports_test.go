package e2e

import (
	"fmt"
	"net"
	"strconv"
	"testing"

	"github.com/doyen-mesh/doyen/test/machine"
)

// TestFurtherPort calls the second port of a service through a sidecar and through an edge.
func TestFurtherPort(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{
		"users.yaml": "kind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\nhealth: {http: /healthz, interval: 200ms, timeout: 200ms}\n",
		"web.yaml":   "kind: Service\nname: web\nports: [8080]\ncalls: [users]\n",
		"edge.yaml": "kind: Edge\nname: public\nlisteners: [{name: http, address: 127.0.0.1, port: 8000}]\n" +
			"routes: [{to: users}, {hosts: admin.example.com, to: users, port: admin}]\n",
	})
	ports := machine.FreePorts(t, 2)
	m.startInstance("users", "users-1", options{args: []string{
		"--port", fmt.Sprintf("admin=%d", ports[0]), "--ingress-port", fmt.Sprintf("admin=%d", ports[1]),
	}})
	web := m.startInstance("web", "web-1", options{})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	for host, app := range map[string]string{
		"users": "users-1", "users.mesh": "users-1", "admin.users": "users-1:admin", "admin.users.mesh": "users-1:admin",
	} {
		answersExactly(t, egress, host, app)
	}
	edge := m.startEdge("public")
	answersExactly(t, edge, "shop.example.com", "users-1")
	answersExactly(t, edge, "admin.example.com", "users-1:admin")
}

// TestTCPService calls a TCP service through two sidecars, on a local port of its caller.
func TestTCPService(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{
		"mail.yaml": "kind: Service\nname: mail\nports: [2525/tcp]\nhealth: {tcp: true, interval: 200ms, timeout: 200ms}\n",
		"web.yaml":  "kind: Service\nname: web\nports: [8080]\ncalls: [mail]\n",
	})
	first := m.startInstance("mail", "mail-1", options{env: []string{kindVariable + "=tcp"}})
	web := m.startInstance("web", "web-1", options{tcp: []string{"mail"}})
	says := func(app string) {
		t.Helper()
		eventually(t, app+" answers", func() string {
			line, err := exchange("127.0.0.1:"+strconv.Itoa(web.tcp["mail"]), "42\n")
			if err != nil || line != app+": 42" {
				return fmt.Sprintf("got %q, %v", line, err)
			}
			return ""
		})
	}
	says("mail-1")
	m.startInstance("mail", "mail-2", options{env: []string{kindVariable + "=tcp"}})
	says("mail-2")
	first.terminate()
	if code := first.wait(t); code != 0 {
		t.Errorf("the agent ended with status %d", code)
	}
	for range 10 {
		if line, err := exchange("127.0.0.1:"+strconv.Itoa(web.tcp["mail"]), "42\n"); line != "mail-2: 42" {
			t.Errorf("got %q, %v: want the instance that is left", line, err)
		}
	}
}

// TestIPv6 calls an instance that is checked in with an IPv6 address.
func TestIPv6(t *testing.T) {
	t.Parallel()
	if probe, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no IPv6 loopback: ", err)
	} else {
		probe.Close()
	}
	m := newMesh(t, map[string]string{
		"users.yaml": loneService,
		"edge.yaml":  loneEdge,
	})
	i := m.launchInstance("users", "users-1", options{address: "::1"})
	eventually(t, "users-1 is checked in", func() string {
		return m.stateAt("users", fmt.Sprintf("[::1]:%d", i.ingress), "healthy")
	})
	answers(t, m.startEdge("public"), "any.example.com", "users-1")
}
