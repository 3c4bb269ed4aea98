//go:build linux

package capture

import (
	"strings"
	"syscall"
	"testing"
)

const (
	asAnotherUser = "setpriv --reuid 65534 --regid 65534 --clear-groups "
	curl          = "curl -sS --noproxy * --max-time 5 "
	noTable       = ""
)

// TestCapture calls services by their names from programs without proxy settings, through the whole life of an agent. One
// lab serves all steps, because each of them needs most of it.
func TestCapture(t *testing.T) {
	m := newMesh(t)
	agent := m.capture()

	t.Log("calls by HTTP, whatever the port, the form of the name and the user")
	m.prints("users", curl+"http://users/")
	m.prints("users", curl+"http://users.mesh:8080/")
	m.prints("admin.users", curl+"http://admin.users/")
	m.prints("users", asAnotherUser+curl+"http://users/")
	m.prints("users", asAnotherUser+curl+"--http2-prior-knowledge http://users/")
	t.Log("by IPv6")
	m.prints("users", curl+"-6 http://users/")
	m.prints("fd64:6f79:656e::1", "dig +short AAAA users")
	t.Log("by TCP")
	m.prints("OK", "redis-cli -h cache -p 6379 set key value")
	m.prints("value", "redis-cli -h cache.mesh -p 6379 get key")
	if out := m.run("nft list table inet doyen_capture"); !strings.Contains(out, "ip6 daddr") {
		t.Errorf("IPv6 is not redirected:\n%s", out)
	}

	t.Log("what is not of the mesh is not touched")
	untouched := "outside, asked by " + m.host.IP.String() + " with 2 headers"
	m.prints(untouched, curl+"http://other.example/")
	m.prints(untouched, curl+"http://"+outside+"/")
	m.prints(outside, "dig +short other.example")
	m.prints(outside, "dig +short +tcp other.example")
	if out := m.run("dig nowhere.example"); !strings.Contains(out, "status: NXDOMAIN") {
		t.Errorf("a name that does not exist: %s", out)
	}

	t.Log("the names follow the manifest")
	m.write("late.yaml", "kind: Service\nname: late\nports: [8080]\n")
	m.write("web.yaml", strings.Replace(documents["web.yaml"], "[users", "[late, users", 1))
	m.prints("127.192.0.1", "dig +short late")

	t.Log("one agent captures at a time")
	second := m.agent(m.host, "web", nil, "--capture", "--egress-port", "0", "--admin-port", "0", "--capture-port", "0", "--", "sleep", "1000")
	<-second.Done()
	if out := second.output.String(); second.Code() != 1 || !strings.Contains(out, "another agent captures") {
		t.Errorf("a second agent ended with status %d: %s", second.Code(), out)
	}
	if out := m.run(doyen + " agent capture remove"); !strings.Contains(out, "another agent captures") {
		t.Errorf("while an agent captures, removing answers %q", out)
	}

	t.Log("the agent replaces its program: no call fails, and the rules stay")
	rules := m.redirects()
	must(t, syscall.Kill(agent.PID(), syscall.SIGHUP))
	eventually(t, "the program after it captures", func() string {
		if got := m.run(curl + "http://users/"); got != "users" {
			t.Errorf("a call answers %q", got)
		}
		if out := agent.output.String(); strings.Count(out, "are captured") < 2 {
			return out
		}
		return ""
	})
	if now := m.redirects(); now != rules {
		t.Errorf("the rules have changed:\n%s\nbefore:\n%s", now, rules)
	}

	t.Log("Envoy is killed: connections are redirected to the next one")
	before := m.redirects()
	must(t, m.host.SignalChildren(t.Context(), agent.PID(), syscall.SIGKILL, "envoy"))
	m.prints("users", curl+"http://users/")
	t.Log("an Envoy that starts finds the host of an external with the same name, and not itself")
	eventually(t, "Envoy knows the address of the external", func() string {
		endpoints := m.run(curl + "http://127.0.0.1:9901/clusters?filter=store")
		if !strings.Contains(endpoints, "store::"+outside+":5432::cx_total") || strings.Contains(endpoints, "store::127.") {
			return endpoints
		}
		return ""
	})
	m.prints("the store greets first", curl+"telnet://store:5432")
	if after := m.redirects(); after != before {
		t.Errorf("the rules have changed:\n%s\nbefore:\n%s", after, before)
	}

	t.Log("the agent is killed: what it has left is removed")
	agent.Kill()
	if m.redirects() == noTable {
		t.Error("a killed agent has left nothing to remove: this tests nothing")
	}
	for range 2 {
		if out := m.run(doyen + " agent capture remove"); out != "" || m.redirects() != noTable {
			t.Errorf("%s\nleft:\n%s", out, m.redirects())
		}
	}
	m.prints(untouched, curl+"http://other.example/")

	t.Log("the agent is killed and started again")
	m.capture().Kill()
	agent = m.capture()
	m.prints("users", curl+"http://users/")
	if n := strings.Count(m.redirects(), "table "); n != 1 {
		t.Errorf("%d tables:\n%s", n, m.redirects())
	}

	t.Log("the agent ends in order")
	agent.Stop(patience, nil)
	if left := m.redirects(); left != noTable {
		t.Errorf("left:\n%s", left)
	}
	m.prints(untouched, curl+"http://other.example/")
}

// TestCaptureNeedsCapabilities: an agent that may not redirect says so before it starts anything.
func TestCaptureNeedsCapabilities(t *testing.T) {
	out, err := command("setpriv", "--reuid", "65534", "--clear-groups", "--inh-caps", "-all", doyen, "agent", "capture", "remove").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "needs root, or the capabilities CAP_NET_ADMIN and CAP_SETGID") {
		t.Errorf("%v: %s", err, out)
	}
}
