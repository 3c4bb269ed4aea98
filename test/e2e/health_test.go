package e2e

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestSickApplication makes the application of one of two instances unhealthy, for each kind of health check: its
// agent runs, and callers avoid the instance until the application is healthy again.
func TestSickApplication(t *testing.T) {
	for _, c := range []struct{ kind, port, health string }{
		{"http", "8080", "{http: /healthz, interval: 200ms, timeout: 200ms}"},
		{"grpc", "8080/grpc", `{grpc: "", interval: 200ms, timeout: 200ms}`},
		{"tcp", "8080/tcp", "{tcp: true, interval: 200ms, timeout: 200ms}"},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, map[string]string{
				"users.yaml": fmt.Sprintf("kind: Service\nname: users\nports: [%s]\nhealth: %s\n", c.port, c.health),
				"web.yaml":   "kind: Service\nname: web\nports: [8081]\ncalls: [users]\n",
			})
			sick := filepath.Join(t.TempDir(), "sick")
			first := m.startInstance("users", "users-1", options{env: []string{kindVariable + "=" + c.kind, "UNHEALTHY=" + sick}})
			m.startInstance("users", "users-2", options{env: []string{kindVariable + "=" + c.kind}})
			call := m.caller(c.kind)

			eventually(t, "users-1 answers", func() string { return want("answers of ten", ofTen(call, "users-1"), 1, 9) })
			if err := os.WriteFile(sick, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the sick instance gets no traffic", func() string {
				return m.stateOf("users", first.ingress, "unhealthy") + want("answers of ten by the other", ofTen(call, "users-2"), 10, 10)
			})
			if err := os.Remove(sick); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the well instance gets traffic", func() string { return want("answers of ten", ofTen(call, "users-1"), 1, 9) })
		})
	}
}

// TestEveryApplicationIsSick makes the health check of every instance of a service fail while their applications
// still answer: a broken check does not make the service unavailable.
func TestEveryApplicationIsSick(t *testing.T) {
	for _, c := range []struct{ kind, port, health string }{
		{"http", "8080", "{http: /healthz, interval: 200ms, timeout: 200ms}"},
		{"grpc", "8080/grpc", `{grpc: "", interval: 200ms, timeout: 200ms}`},
	} {
		t.Run(c.kind, func(t *testing.T) {
			t.Parallel()
			m := newMesh(t, map[string]string{
				"users.yaml": fmt.Sprintf("kind: Service\nname: users\nports: [%s]\nhealth: %s\n", c.port, c.health),
				"web.yaml":   "kind: Service\nname: web\nports: [8081]\ncalls: [users]\n",
			})
			sick := filepath.Join(t.TempDir(), "sick")
			o := options{env: []string{kindVariable + "=" + c.kind, "UNHEALTHY=" + sick}}
			first, second := m.startInstance("users", "users-1", o), m.startInstance("users", "users-2", o)
			call := m.caller(c.kind)
			eventually(t, "users-1 answers", func() string { return want("answers of ten", ofTen(call, "users-1"), 1, 9) })
			traffic := startRequests(t, call)
			if err := os.WriteFile(sick, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			eventually(t, "both are unhealthy", func() string {
				return m.stateOf("users", first.ingress, "unhealthy") + m.stateOf("users", second.ingress, "unhealthy")
			})
			eventually(t, "both are still called", func() string {
				return want("answers of ten", ofTen(call, "users-1"), 1, 9) + want("answers of ten", ofTen(call, "users-2"), 1, 9)
			})
			m.inSync()
			traffic.mustNotFail(t)
		})
	}
}

// caller returns a function that calls users by the given kind of port, and returns who answered.
func (m *mesh) caller(kind string) func() (string, error) {
	m.t.Helper()
	switch kind {
	case "grpc":
		conn := m.dial("web", "xds:///users")
		return func() (string, error) { return callGRPC(conn) }
	case "tcp":
		web := m.startInstance("web", "web-1", options{tcp: []string{"users"}})
		return func() (string, error) {
			line, err := exchange("127.0.0.1:"+strconv.Itoa(web.tcp["users"]), "42\n")
			name, _, _ := strings.Cut(line, ":")
			return name, err
		}
	default:
		web := m.startInstance("web", "web-1", options{})
		return func() (string, error) {
			return ask(http.DefaultClient, fmt.Sprintf("http://127.0.0.1:%d/", web.egress), "users")
		}
	}
}

// ofTen makes ten calls and counts those that app answered.
func ofTen(call func() (string, error), app string) (answered int) {
	for range 10 {
		if name, err := call(); err == nil && name == app {
			answered++
		}
	}
	return answered
}
