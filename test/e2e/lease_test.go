package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
)

// startAddresses serves HTTP at one port of several loopback addresses. Each answers with its address.
func startAddresses(t *testing.T, n int) (addresses []string) {
	t.Helper()
	for i := range n {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_ = json.NewEncoder(w).Encode(answer{App: r.Context().Value(http.LocalAddrContextKey).(net.Addr).String()})
		}))
		server.Listener.Close()
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.%d:0", 1+i))
		if err != nil {
			t.Skip("this machine has one loopback address only: ", err)
		}
		server.Listener = listener
		server.Start()
		t.Cleanup(server.Close)
		addresses = append(addresses, listener.Addr().String())
	}
	return addresses
}

const shortLease = `{"lease": "10s"}`

// TestLeaseLapses checks two instances in by hand, one of them for ten seconds: then an edge stops calling it.
func TestLeaseLapses(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge})
	at := startAddresses(t, 2)
	m.checkIn("users", at[0], `{}`)
	edge := m.startEdge("public")
	m.checkIn("users", at[1], shortLease)
	answers(t, edge, "any.example.com", at[1])
	eventually(t, "the lease lapses", func() string {
		if state := m.stateAt("users", at[1], "healthy"); !strings.Contains(state, "404") {
			return "it is still there " + state
		}
		return want("answers of ten", ofTen(func() (string, error) { return ask(http.DefaultClient, edge, "any.example.com") }, at[0]), 10, 10)
	})
}

// TestMassLapseIsDoubted makes all instances of two services stop checking in at once: they stay registered, status
// shows the commands that end the pause, and each command does.
func TestMassLapseIsDoubted(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{
		"services.yaml": "{kind: Service, name: dead, ports: 8080}\n---\n{kind: Service, name: living, ports: 8080}\n",
		"edge.yaml": "kind: Edge\nname: public\nlisteners: [{name: http, address: 127.0.0.1, port: 8000}]\n" +
			"routes: [{path: /dead, to: dead}, {path: /living, to: living}]\n",
	})
	at := startAddresses(t, 8)
	for i, address := range at {
		m.checkIn([]string{"dead", "living"}[i%2], address, shortLease)
	}
	edge := m.startEdge("public")
	eventually(t, "expiry pauses for both services", func() string {
		s, err := m.tryStatus()
		if err != nil || len(s.Expiry) != 2 || len(s.Expiry[0].Instances) != 4 || len(s.Expiry[1].Instances) != 4 {
			return fmt.Sprintf("%v, expiry %+v", err, s.Expiry)
		}
		return ""
	})
	m.statusSays("- dead (", "4 of 4 instances stopped checking in at once", "doyen expiry dead --expire", "doyen expiry living --keep")
	answers(t, edge+"/dead", "any.example.com", "127.0.0.")
	answers(t, edge+"/living", "any.example.com", "127.0.0.")

	m.run("expiry", "dead", "--expire")
	eventually(t, "the dead are gone", func() string {
		status, body := get(t, edge+"/dead", "any.example.com")
		if status != http.StatusServiceUnavailable {
			return fmt.Sprint(status, body)
		}
		return ""
	})
	m.run("expiry", "living", "--keep")
	if s, err := m.tryStatus(); err != nil || len(s.Expiry) != 0 {
		t.Errorf("%v, expiry %+v: want no pause", err, s.Expiry)
	}
	answers(t, edge+"/living", "any.example.com", "127.0.0.")
}

// run runs a doyen command against the server, and returns its output.
func (m *mesh) run(args ...string) string {
	m.t.Helper()
	out, err := exec.Command(doyen, append(args, "--server", "http://"+m.http)...).CombinedOutput()
	if err != nil {
		m.t.Fatalf("doyen %v: %v\n%s", args, err, out)
	}
	return string(out)
}
