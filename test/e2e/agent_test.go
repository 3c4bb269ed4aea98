package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

const loneService = "kind: Service\nname: users\nports: [8080]\nhealth: {http: /healthz, interval: 200ms, timeout: 200ms}\n"

// loneEdge is an edge to that service.
const loneEdge = "kind: Edge\nname: public\nlisteners: [{name: http, address: 127.0.0.1, port: 8000}]\nroutes: [{to: users}]\n"

// TestAgentPassesOnExitStatus ends an application with a status of its own: the agent exits with the same status, and
// the instance leaves the registry.
func TestAgentPassesOnExitStatus(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	i := m.startInstance("users", "users-1", options{})
	get(t, fmt.Sprintf("http://127.0.0.1:%d/exit?status=7", i.app), "users")
	if code := i.wait(t); code != 7 {
		t.Errorf("the agent ended with status %d: want the application's 7", code)
	}
	if state := m.stateOf("users", i.ingress, "healthy"); !strings.Contains(state, "404") {
		t.Errorf("the instance is still in the registry: %q", state)
	}
}

// TestAgentTellsHealth makes an application unhealthy and healthy again, and follows its state.
func TestAgentTellsHealth(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	sick := filepath.Join(t.TempDir(), "sick")
	i := m.startInstance("users", "users-1", options{env: []string{"UNHEALTHY=" + sick}})
	if err := os.WriteFile(sick, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the sick instance gets no traffic", func() string { return m.stateOf("users", i.ingress, "unhealthy") })
	if err := os.Remove(sick); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the well instance gets traffic", func() string { return m.stateOf("users", i.ingress, "healthy") })
}

// TestAgentFinishesRequests stops an instance during a slow request: the request is answered, and the instance leaves
// the registry before the application is stopped.
func TestAgentFinishesRequests(t *testing.T) {
	m := newMesh(t, map[string]string{
		"users.yaml": loneService,
		"edge.yaml":  loneEdge,
	})
	i := m.startInstance("users", "users-1", options{})
	edge := m.startEdge("public")
	answers(t, edge+"/", "any.example.com", "users-1")
	type outcome struct {
		app string
		err error
	}
	slow := make(chan outcome, 1)
	go func() {
		app, err := ask(newClient(t), edge+"/sleep?for=3s", "any.example.com")
		slow <- outcome{app, err}
	}()
	eventually(t, "the slow request is under way", func() string {
		if n := stats(t, i.admin, "ingress_http.downstream_rq_active")["http.ingress_http.downstream_rq_active"]; n == 0 {
			return "none is active"
		}
		return ""
	})
	i.terminate()
	if got := <-slow; got.err != nil || got.app != "users-1" {
		t.Errorf("the request under way got %q, %v: want its answer", got.app, got.err)
	}
	if code := i.wait(t); code != 0 {
		t.Errorf("the agent ended with status %d", code)
	}
}

// TestNothingOutlivesTheAgent kills an agent: its Envoy and its application end, too.
func TestNothingOutlivesTheAgent(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	i := m.startInstance("users", "users-1", options{})
	if err := syscall.Kill(i.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for what, port := range map[string]int{"Envoy": i.admin, "the application": i.app} {
		eventually(t, what+" is gone", func() string {
			if _, err := exchange(fmt.Sprintf("127.0.0.1:%d", port), "GET / HTTP/1.0\r\n\r\n"); err == nil {
				return "it still answers"
			}
			return ""
		})
	}
	i.wait(t) // nobody is left who could be asked what Envoy refused
}

// TestEnvoyIsStartedAgain kills an instance's Envoy: it is started again, and meanwhile callers avoid the instance.
func TestEnvoyIsStartedAgain(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": "kind: Mesh\nname: shop\ndefaults: {retries: 0}\n---\n" + loneEdge})
	i := m.startInstance("users", "users-1", options{})
	m.startInstance("users", "users-2", options{})
	edge := m.startEdge("public")
	answers(t, edge, "any.example.com", "users-1")
	traffic := startTraffic(t, edge, "any.example.com")
	if err := syscall.Kill(i.envoy(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "callers leave the instance alone", func() string { return m.stateOf("users", i.ingress, "unhealthy") })
	eventually(t, "the instance is back", func() string { return m.stateOf("users", i.ingress, "healthy") })
	traffic.reset()
	eventually(t, "users-1 gets traffic", func() string { return answered(traffic, "users-1") })
	m.quiet(traffic)
	r := traffic.stop()
	t.Log(r)
	if r.Failed > r.Sent/20 {
		t.Errorf("%d of %d requests failed, more than what a dying instance had in hand", r.Failed, r.Sent)
	}
}

// envoy returns the process ID of an agent's Envoy.
func (i *instance) envoy(t *testing.T) int {
	t.Helper()
	pid := i.Process.Pid
	children, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // a thread's each
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range children {
		text, _ := os.ReadFile(file) // the thread may be over
		for _, child := range strings.Fields(string(text)) {
			if name, _ := os.ReadFile("/proc/" + child + "/comm"); strings.Contains(string(name), "envoy") {
				id, err := strconv.Atoi(child)
				if err != nil {
					t.Fatal(err)
				}
				return id
			}
		}
	}
	t.Fatal("the agent has no Envoy")
	return 0
}

// TestAgentOutlivesTheServer starts an instance while the server is down: it is checked in when the server returns,
// and its application runs all the time.
func TestAgentOutlivesTheServer(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	m.stopServer()
	i := m.launchInstance("users", "users-1", options{})
	eventually(t, "the application runs", func() string {
		_, err := ask(newClient(t), fmt.Sprintf("http://127.0.0.1:%d/", i.app), "users")
		return reason(err)
	})
	m.startServer()
	eventually(t, "the instance is checked in", func() string { return m.stateOf("users", i.ingress, "healthy") })
}

// TestWorkerHasAnAgent runs a program that only calls others, behind an Envoy and as its own proxy: it calls them, is in no
// registry, and ends in an orderly way.
func TestWorkerHasAnAgent(t *testing.T) {
	m := newMesh(t, map[string]string{
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: grpc\n",
		"worker.yaml":   "kind: Service\nname: worker\ncalls: [payments]\n",
	})
	m.startInstance("payments", "payments-1", options{env: []string{kindVariable + "=grpc"}})
	behind := m.launchInstance("worker", "worker-1", options{})
	alone := m.launchInstance("worker", "worker-2", options{args: []string{"--no-envoy"}})
	eventually(t, "the worker's Envoy serves", func() string {
		_, err := callGRPC(connect(t, behind.egress))
		return reason(err)
	})
	calls(t, fmt.Sprintf("http://127.0.0.1:%d/grpc/payments", alone.app))
	m.inSync()
	if found := m.run("instances", "worker"); !strings.Contains(found, "no instance of worker is registered") {
		t.Errorf("doyen instances worker: %s", found)
	}
	for _, w := range []*instance{behind, alone} {
		w.terminate()
		if code := w.wait(t); code != 0 {
			t.Errorf("the agent of %s ended with status %d: %s", w.name, code, w.output)
		}
	}
}
