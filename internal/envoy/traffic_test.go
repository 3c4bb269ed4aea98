package envoy_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
)

// echo starts an application that answers with its name and with what it was asked.
func echo(t *testing.T, name string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", "app")
		w.Header().Set("Seen-Request-Id", r.Header.Get("X-Request-Id"))
		w.Header().Set("Seen-Forwarded-For", r.Header.Get("X-Forwarded-For"))
		fmt.Fprintf(w, "%s %s %s", name, r.Host, r.URL.Path)
	}))
	t.Cleanup(s.Close)
	return s
}

const sidecarDocuments = `
kind: Service
name: web
calls: [users, cache]
---
kind: Service
name: users
ports: [8081, {name: admin, port: 8082}]
health: /health
---
kind: Service
name: cache
ports: [6379/tcp]
---
kind: Service
name: orders
ports: [8083]
`

// TestCallsLand sends requests from an application through its sidecar and the called service's sidecar to the called
// application. It tries each served port under each of its names, and checks that nothing else is reachable.
func TestCallsLand(t *testing.T) {
	users, admin := echo(t, "users"), echo(t, "admin")
	served := mesh.Ports{
		Egress:  machine.FreePorts(t, 1)[0],
		Ingress: map[mesh.PortName]int{"http": machine.FreePorts(t, 1)[0], "admin": machine.FreePorts(t, 1)[0]},
		App: map[mesh.PortName]int{
			"http": int(addressOf(t, users.URL).Port()), "admin": int(addressOf(t, admin.URL).Port()),
		},
	}
	runStatic(t, sidecarDocuments, mesh.Node{Role: mesh.Sidecar, Service: "users", Ports: served}, "")
	egress, tcp := machine.FreePorts(t, 1)[0], machine.FreePorts(t, 1)[0]
	main := fmt.Sprintf("127.0.0.1:%d", served.Ingress["http"])
	further := endpointsOf(t, "users", fmt.Sprintf("127.0.0.1:%d", served.Ingress["admin"]))
	further.Target.Port, further.Endpoints[0].HealthPort = "admin", served.Ingress["http"]
	runStatic(t, sidecarDocuments, mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{
		Egress: egress, TCP: map[mesh.ServiceName]int{"cache": tcp},
	}}, "", endpointsOf(t, "users", main), further, endpointsOf(t, "cache", tcpEcho(t)))

	url := fmt.Sprintf("http://127.0.0.1:%d/some/path", egress)
	for host, want := range map[string]string{
		"users":            "users",
		"users.mesh":       "users",
		"users.mesh.":      "users",
		"users:9001":       "users",
		"users.mesh:80":    "users",
		"admin.users":      "admin",
		"admin.users:80":   "admin",
		"admin.users.mesh": "admin",
	} {
		header := hostHeader(host)
		header.Set("X-Request-Id", "7")
		header.Set("X-Forwarded-For", "192.0.2.1")
		a, err := get(http.DefaultClient, url, header)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if wantBody := want + " " + strings.TrimSuffix(host, ".") + " /some/path"; a.body != wantBody {
			t.Errorf("%s: the answer is %q, want %q", host, a.body, wantBody)
		}
		for name, want := range map[string]string{"Server": "app", "Seen-Request-Id": "7", "Seen-Forwarded-For": "192.0.2.1"} {
			if got := a.header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", host, name, got, want)
			}
		}
	}
	checkNoRoute(t, url)
	checkTCP(t, tcp)
}

// checkNoRoute requests hosts that are not called, one of which has a manifest.
func checkNoRoute(t *testing.T, url string) {
	t.Helper()
	for _, host := range []string{"orders", "127.0.0.1:9001", "other.users", "users.example.com"} {
		a, err := get(http.DefaultClient, url, hostHeader(host))
		want := fmt.Sprintf("no route to host %q: the manifest of service \"web\" does not call it (it calls users, admin.users)\n", host)
		if err == nil || a.status != http.StatusNotFound || a.body != want {
			t.Errorf("%s: %d %q, want 404 %q", host, a.status, a.body, want)
		}
	}
}

// tcpEcho starts a server that sends back what it reads, and returns its address.
func tcpEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = io.Copy(c, c)
			}()
		}
	}()
	return l.Addr().String()
}

func checkTCP(t *testing.T, port int) {
	t.Helper()
	c, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", port), patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "ping" {
		t.Errorf("tcp: %q, %v, want ping", answer, err)
	}
}

const callerDocuments = `
kind: Service
name: web
calls: [users]
---
kind: Service
name: users
ports: [8081]
health: {http: /health, interval: %s}
traffic: {retries: 0, outliers: %d}
`

// caller runs a sidecar that calls users at the given endpoints, and returns the address of its egress.
func caller(t *testing.T, interval time.Duration, outliers int, set ir.EndpointSet) string {
	t.Helper()
	egress := machine.FreePorts(t, 1)[0]
	documents := fmt.Sprintf(callerDocuments, interval, outliers)
	runStatic(t, documents, mesh.Node{Role: mesh.Sidecar, Service: "web", Ports: mesh.Ports{Egress: egress}}, "", set)
	return fmt.Sprintf("http://127.0.0.1:%d/", egress)
}

// TestDrainingGetsNothingNew drains one of two endpoints.
func TestDrainingGetsNothingNew(t *testing.T) {
	staying, leaving := echo(t, "staying"), echo(t, "leaving")
	set := endpointsOf(t, "users", staying.URL, leaving.URL)
	set.Endpoints[1].Draining = true
	url := caller(t, time.Second, 5, set)
	for range 50 {
		a, err := get(http.DefaultClient, url, hostHeader("users"))
		if err != nil || !strings.HasPrefix(a.body, "staying") {
			t.Fatalf("%q, %v, want the endpoint that stays", a.body, err)
		}
	}
}

// TestLastResort drains all endpoints: they still get requests, since refusing them would help nobody.
func TestLastResort(t *testing.T) {
	set := endpointsOf(t, "users", echo(t, "leaving").URL)
	set.Endpoints[0].Draining = true
	url := caller(t, time.Second, 5, set)
	if _, err := get(http.DefaultClient, url, hostHeader("users")); err != nil {
		t.Error(err)
	}
}

// TestDeadEndpointIsOutAfterAHandful makes one of two endpoints refuse connections, without health checks and
// retries: outlier detection alone must keep the number of failures low.
func TestDeadEndpointIsOutAfterAHandful(t *testing.T) {
	const (
		allowed = 3  // in a row
		handful = 10 // there are two counts, of refused connections and of broken ones, and Envoy acts a moment later
	)
	dying := echo(t, "dying")
	url := caller(t, time.Minute, allowed, endpointsOf(t, "users", echo(t, "living").URL, dying.URL))
	dying.CloseClientConnections()
	dying.Close()
	failed := 0
	for range 300 {
		if _, err := get(http.DefaultClient, url, hostHeader("users")); err != nil {
			failed++
		}
	}
	if failed == 0 || failed > handful {
		t.Errorf("%d of 300 requests failed, want at least one and at most %d", failed, handful)
	}
}

// TestUnhealthyGetsNothing makes one of two endpoints fail its health check while it still answers requests.
func TestUnhealthyGetsNothing(t *testing.T) {
	var asked atomic.Int64
	sick := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/health" {
			asked.Add(1)
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(sick.Close)
	url := caller(t, time.Second, 0, endpointsOf(t, "users", echo(t, "well").URL, sick.URL))
	waitFor(t, "only the healthy endpoint is used", func() error {
		for range 20 {
			if a, err := get(http.DefaultClient, url, hostHeader("users")); err != nil || !strings.HasPrefix(a.body, "well") {
				return fmt.Errorf("%q, %w", a.body, err)
			}
		}
		return nil
	})
	if asked.Load() == 0 {
		t.Error("the sick endpoint was never asked for its health")
	}
}
