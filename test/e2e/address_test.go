package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestAddressOfADeadInstance starts an instance of another service at the address of a killed one, long before that
// one's lease ends: no call of the killed instance's service reaches the new one.
func TestAddressOfADeadInstance(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{
		"users.yaml": loneService,
		"other.yaml": "kind: Service\nname: other\nports: [8080]\n",
		"web.yaml":   "kind: Service\nname: web\nports: [8080]\ncalls: [users, other]\n",
	})
	users := m.startInstance("users", "users-1", options{})
	web := m.startInstance("web", "web-1", options{})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	answers(t, egress, "users", "users-1")
	users.kill()
	eventually(t, "the dead instance is not shown as healthy", func() string {
		if shown := m.run("instances", "users"); !strings.Contains(shown, "disconnected") {
			return shown
		}
		return ""
	})

	m.startAt(users, "other", "other-1")
	answers(t, egress, "other", "other-1")
	eventually(t, "nobody is called for users", func() string {
		if name, err := ask(http.DefaultClient, egress, "users"); name != "" {
			t.Fatalf("a call of users is answered by %s, %v", name, err)
		}
		return m.stateGone("users", users.ingress)
	})
	if name, _ := ask(http.DefaultClient, egress, "users"); name != "" {
		t.Errorf("a call of users is answered by %s", name)
	}
}

// startAt starts an instance of service on the ports of one that has ended, and waits until it is healthy.
func (m *mesh) startAt(ended *instance, service, name string) *process {
	m.t.Helper()
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	p := start(m.t, name, []string{appVariable + "=" + name, "PORT=" + strconv.Itoa(ended.app), m.stateHome()}, doyen,
		"agent", "--service", service, "--port", strconv.Itoa(ended.app), "--address", "127.0.0.1",
		"--server", "http://"+m.http, "--xds", m.grpc, "--egress-port", strconv.Itoa(ended.egress),
		"--ingress-port", strconv.Itoa(ended.ingress), "--admin-port", strconv.Itoa(ended.admin), "--", self)
	eventually(m.t, name+" is checked in", func() string { return m.stateOf(service, ended.ingress, "healthy") })
	return p
}

// stateGone returns "" if there is no instance of service on that port of 127.0.0.1.
func (m *mesh) stateGone(service string, port int) string {
	if state := m.stateOf(service, port, ""); !strings.Contains(state, "404") {
		return "it is there: " + state
	}
	return ""
}
