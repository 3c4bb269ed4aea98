package e2e

import (
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
)

// shop is a small mesh without retries: an edge leads to web, which calls users and a ledger outside the mesh.
func shop(ledger int) map[string]string {
	return map[string]string{
		"mesh.yaml": `
kind: Mesh
name: shop
owner: network@example.com
defaults: {retries: 0}
`,
		"web.yaml": `
kind: Service
name: web
owner: web@example.com
ports: [8080]
health: /healthz
calls: [users, ledger]
`,
		"users.yaml": `
kind: Service
name: users
owner: identity@example.com
ports: [8080]
health: {http: /healthz, interval: 500ms, timeout: 500ms}
`,
		"orders.yaml": `
kind: Service
name: orders
owner: orders@example.com
ports: [8080]
health: /healthz
`,
		"ledger.yaml": fmt.Sprintf(`
kind: External
name: ledger
owner: finance@example.com
protocol: tcp
addresses: [127.0.0.1]
port: %d
`, ledger),
		"edge.yaml": edgeTo("users"),
	}
}

// edgeTo returns the shop's edge with its movable route to a service.
func edgeTo(service string) string {
	return fmt.Sprintf(`
kind: Edge
name: public
owner: network@example.com
listeners: [{name: http, address: 127.0.0.1, port: 8000}]
routes:
  - {to: web}
  - {path: /moved, to: %s}
`, service)
}

// startLedger starts a TCP server outside the mesh that answers each line with "ledger: " and the line.
func startLedger(t *testing.T) (port int) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go answerLines(listener, "ledger")
	return listener.Addr().(*net.TCPAddr).Port
}

// TestShop follows one mesh through a day: traffic on every kind of path, instances that stop, join and are killed, a
// route that moves, a broken file, and a server that stops and returns. Only requests of a killed instance fail.
func TestShop(t *testing.T) {
	m := newMesh(t, shop(startLedger(t)))
	users1 := m.startInstance("users", "users-1", options{})
	users2 := m.startInstance("users", "users-2", options{})
	web := m.startInstance("web", "web-1", options{tcp: []string{"ledger"}})
	m.startInstance("orders", "orders-1", options{})
	edge := m.startEdge("public")
	m.inSync()

	t.Run("edge to sidecar", func(t *testing.T) {
		answers(t, edge+"/", "web.example.com", "web-1")
	})
	t.Run("sidecar to sidecar by both names", func(t *testing.T) {
		answers(t, fmt.Sprintf("http://127.0.0.1:%d/", web.egress), "users", "users-")
		answers(t, fmt.Sprintf("http://127.0.0.1:%d/", web.egress), "users.mesh:9001", "users-")
		answers(t, edge+"/call/users/", "any.example.com", "users-")
	})
	t.Run("TCP external", func(t *testing.T) {
		line, err := exchange("127.0.0.1:"+strconv.Itoa(web.tcp["ledger"]), "42\n")
		if err != nil || line != "ledger: 42" {
			t.Errorf("got %q, %v: want the ledger's answer", line, err)
		}
		answers(t, edge+"/tcp/ledger", "any.example.com", "web-1")
	})
	t.Run("a service not called is not reachable", func(t *testing.T) {
		status, body := get(t, fmt.Sprintf("http://127.0.0.1:%d/", web.egress), "orders")
		if status != http.StatusNotFound || !strings.Contains(body, "orders") {
			t.Errorf("got %d %q: want 404 that names the service", status, body)
		}
	})

	t.Run("an instance stops and another joins", func(t *testing.T) {
		traffic := startTraffic(t, edge+"/moved", "any.example.com")
		throughWeb := startTraffic(t, edge+"/call/users/", "any.example.com")
		users1.terminate()
		if code := users1.wait(t); code != 0 {
			t.Errorf("the agent ended with status %d", code)
		}
		users3 := m.startInstance("users", "users-3", options{})
		eventually(t, "users-3 gets traffic", func() string { return answered(traffic, "users-3") })
		traffic.mustNotFail(t)
		throughWeb.mustNotFail(t)
		_ = users3
	})

	t.Run("a route moves", func(t *testing.T) {
		traffic := startTraffic(t, edge+"/moved", "any.example.com")
		for range 3 {
			m.write("edge.yaml", edgeTo("orders"))
			traffic.reset()
			eventually(t, "orders get traffic", func() string { return answered(traffic, "orders-1") })
			m.write("edge.yaml", edgeTo("users"))
			traffic.reset()
			eventually(t, "users get traffic", func() string { return answered(traffic, "users-2") })
		}
		traffic.mustNotFail(t)
	})

	t.Run("a broken file is refused with its line", func(t *testing.T) {
		traffic := startTraffic(t, edge+"/", "any.example.com")
		m.write("users.yaml", "kind: Service\nname: users\nports: [8080]\ntimeuot: 3s\n")
		eventually(t, "the problem is shown", func() string {
			s, err := m.tryStatus()
			if err != nil {
				return err.Error()
			}
			if len(s.Config.Problems) == 0 {
				return "there is none"
			}
			p := s.Config.Problems[0]
			if p.File != "users.yaml" || p.Line != 4 || !strings.Contains(p.Message, "timeuot") {
				return fmt.Sprintf("the problem is %+v", p)
			}
			return ""
		})
		m.write("users.yaml", shop(1)["users.yaml"])
		eventually(t, "the problem is gone", func() string {
			s, err := m.tryStatus()
			if err != nil || len(s.Config.Problems) > 0 {
				return fmt.Sprint(err, s.Config.Problems)
			}
			return ""
		})
		traffic.mustNotFail(t)
	})

	t.Run("the server is away", func(t *testing.T) {
		before := updates(t, web.admin)
		traffic := startTraffic(t, edge+"/", "any.example.com")
		throughWeb := startTraffic(t, edge+"/call/users/", "any.example.com")
		m.stopServer()
		users2.kill()
		eventually(t, "users-3 answers", func() string { return answered(throughWeb, "users-3") })
		m.quiet(throughWeb)
		m.startServer()
		m.inSync()
		m.quiet(throughWeb)
		traffic.mustNotFail(t)
		r := throughWeb.stop()
		t.Logf("with an instance that died meanwhile: %v", r)
		if r.Failed > r.Sent/20 {
			t.Errorf("%d of %d requests failed, more than what a dying instance had in hand", r.Failed, r.Sent)
		}
		if after := updates(t, web.admin); !maps.Equal(after, before) {
			t.Errorf("the returned server sent what had not changed: %v before, %v after", before, after)
		}
	})
}

// quiet waits until two seconds have passed without a failed request.
func (m *mesh) quiet(tr *traffic) {
	m.t.Helper()
	since := time.Now()
	eventually(m.t, "two seconds without a failure", func() string {
		last := tr.soFar().LastFailure
		if last.Before(since) {
			last = since
		}
		if quiet := time.Since(last); quiet < 2*time.Second {
			return fmt.Sprintf("the last failure was %v ago", quiet)
		}
		return ""
	})
}

// answers waits until a request is answered by an application whose name begins with app.
func answers(t *testing.T, url, host, app string) {
	t.Helper()
	eventually(t, host+" answers", func() string {
		name, err := ask(http.DefaultClient, url, host)
		if err == nil && !strings.HasPrefix(name, app) {
			return name + " answered"
		}
		return reason(err)
	})
}

// answersExactly is answers for one application and no other.
func answersExactly(t *testing.T, url, host, app string) {
	t.Helper()
	answers(t, url, host, app)
	if name, err := ask(http.DefaultClient, url, host); name != app {
		t.Errorf("%s: %q answered, %v: want %s", host, name, err, app)
	}
}

// get returns the status and body of one answer.
func get(t *testing.T, url, host string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = host
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// answered returns "" if the application has answered a request of the traffic.
func answered(tr *traffic, app string) string {
	if r := tr.soFar(); r.Apps[app] == 0 {
		return r.String()
	}
	return ""
}
