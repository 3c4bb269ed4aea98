package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/test/redisserver"
)

// TestServersShareInstances runs two servers with one Redis: a caller's proxy at one of them calls instances
// that checked in at the other one, also when the store dies, is wiped, and when the server goes at which an
// instance checked in. No call fails.
func TestServersShareInstances(t *testing.T) {
	const password = "hunter2"
	store := redisserver.Start(t, "--requirepass", password)
	documents := shop(startLedger(t))
	begin := func() *mesh {
		return newMeshWith(t, documents, []string{"DOYEN_STORE_PASSWORD=" + password}, "--store", "redis://"+store.Address())
	}
	first, second := begin(), begin()
	first.startInstance("users", "users-1", options{})
	web := second.startInstance("web", "web-1", options{tcp: []string{"ledger"}})
	egress := fmt.Sprintf("http://127.0.0.1:%d/", web.egress)
	answers(t, egress, "users", "users-1")
	traffic := startTraffic(t, egress, "users")

	// What is connected to the first server is not missing at the second one.
	if s, err := second.tryStatus(); err != nil || s.Summary.Proxies.Missing > 0 || s.Summary.Instances.Disconnected > 0 {
		t.Errorf("the second server says %+v, %v: want nothing missing", s.Summary, err)
	}

	// An instance of the first server is called through the second one, and leaves in an orderly way.
	two := first.startInstance("users", "users-2", options{})
	eventually(t, "users-2 gets calls", func() string { return answered(traffic, "users-2") })
	two.terminate()
	two.wait(t)
	second.without("users", two.ingress)

	// While the store is away, each server serves what it knows and takes check-ins.
	store.Kill()
	third := first.startInstance("users", "users-3", options{})
	second.storeIs(false)
	status, err := exec.Command(doyen, "status", "--server", "http://"+second.http).CombinedOutput()
	if !strings.Contains(string(status), "DOES NOT ANSWER") {
		t.Errorf("status, %v: want that the store does not answer:\n%s", err, status)
	}
	answers(t, egress, "users", "users-1")

	// It comes back with nothing in it, and is filled from the servers' memories.
	store.Restart()
	second.storeIs(true)
	eventually(t, "users-3 is known to the second server", func() string { return second.stateOf("users", third.ingress, "healthy") })
	eventually(t, "users-3 gets calls", func() string { return answered(traffic, "users-3") })

	// A server that begins with nothing serves everything; the first one is not needed any more.
	fresh := begin()
	if why := fresh.stateOf("users", third.ingress, "healthy"); why != "" {
		t.Errorf("a server that just started does not know users-3: %s", why)
	}
	first.stopServer()
	answers(t, egress, "users", "users-3")
	traffic.mustNotFail(t)

	for _, m := range []*mesh{second, fresh} {
		line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", m.server.Process.Pid))
		if err != nil || strings.Contains(string(line), password) || strings.Contains(m.server.output.String(), password) {
			t.Errorf("the password is in the log or the list of processes (%v)", err)
		}
	}
}

// storeIs waits until the server says so.
func (m *mesh) storeIs(connected bool) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("the server says that the store is connected: %v", connected), func() string {
		s, err := m.tryStatus()
		if err != nil || s.Store == nil {
			return fmt.Sprintf("%v, store %v", err, s.Store)
		}
		if s.Store.Connected != connected || connected && s.Store.Unwritten > 0 {
			return fmt.Sprintf("%+v", *s.Store)
		}
		return ""
	})
}

// without waits until the server has no such instance.
func (m *mesh) without(service string, port int) {
	m.t.Helper()
	eventually(m.t, fmt.Sprintf("%s at port %d is gone", service, port), func() string {
		if m.stateOf(service, port, "healthy") == "" {
			return "it is still there"
		}
		return ""
	})
}
