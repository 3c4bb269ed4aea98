package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/test/machine"
)

const publicEdge = `---
kind: Edge
name: public
listeners: [{address: 127.0.0.1, port: 8000}]
routes: [{to: users}]
`

func (m *testMesh) edgeOptions() EdgeOptions {
	m.t.Helper()
	return EdgeOptions{
		Edge: "public", HostOptions: HostOptions{Server: "http://" + m.http, XDS: m.grpc, StateDir: m.t.TempDir(), Log: slog.New(slog.DiscardHandler)},
		ListenerPorts: map[string]int{"http": 0}, Proxy: supervisor.EnvoyOptions{Path: machine.Envoy(m.t), Concurrency: 1},
		DrainTimeout: DefaultDrainTimeout,
	}
}

// TestEdgeFinishesWhatItHas stops an edge with a request in hand.
func TestEdgeFinishesWhatItHas(t *testing.T) {
	m := newTestMesh(t, usersManifest+publicEdge)
	m.start()
	slow := filepath.Join(t.TempDir(), "slow")
	t.Setenv("SLOW", slow)
	m.run(m.options("web"))
	m.healthy()

	o, port := m.edgeOptions(), newPortChooser().choose("http", "", "", 0)
	o.ListenerPorts["http"] = port
	var printed strings.Builder // written by RunEdge alone, read after it
	o.Stderr = &printed
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- RunEdge(ctx, o) }()
	url := fmt.Sprintf("http://127.0.0.1:%d", port)
	eventually(t, "the edge leads to users", func() bool {
		body, err := get(t, url+"/")
		return err == nil && body == "users"
	})
	answer := make(chan error, 1)
	go func() {
		_, err := get(t, url+"/slow")
		answer <- err
	}()
	eventually(t, "the slow request is in hand", func() bool {
		_, err := os.Stat(slow)
		return err == nil
	})
	cancel()
	if err := <-answer; err != nil {
		t.Errorf("the request in hand: %v", err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if _, err := get(t, url+"/"); err == nil {
		t.Error("it still answers")
	}
	if printed.Len() > 0 {
		t.Errorf("an orderly stop prints %s", &printed)
	}
}

// TestListenersAreLoggedAsTheyListen wants the log to name the address that the document says, while the
// agent itself reaches a listener on every address at loopback.
func TestListenersAreLoggedAsTheyListen(t *testing.T) {
	var log strings.Builder
	o := EdgeOptions{HostOptions: HostOptions{Log: slog.New(slog.NewTextHandler(&log, nil))}, ListenerPorts: map[string]int{"v4": 0, "v6": 0, "one": 0}}
	document := api.Edge{Name: "public", Listeners: []api.Listener{
		{Name: "v4", Address: "0.0.0.0", Port: 80}, {Name: "v6", Address: "::", Port: 80}, {Name: "one", Address: "127.0.0.1", Port: 80},
	}}
	ports, inbound, err := o.listeners(document, newPortChooser())
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{fmt.Sprintf("address=0.0.0.0:%d", ports["v4"]), fmt.Sprintf("address=[::]:%d", ports["v6"]), fmt.Sprintf("address=127.0.0.1:%d", ports["one"])} {
		if !strings.Contains(strings.ReplaceAll(log.String(), `"`, ""), want) {
			t.Errorf("the log does not say %s:\n%s", want, &log)
		}
		if inbound[i].Addr() != loopback {
			t.Errorf("the agent reaches it at %v", inbound[i])
		}
	}
}

func TestEdgeRefuses(t *testing.T) {
	m := newTestMesh(t, usersManifest+publicEdge)
	m.start()
	o := m.edgeOptions()
	o.Edge = "pubic"
	var refused *httpapi.Refused
	if err := RunEdge(t.Context(), o); !errors.As(err, &refused) || !strings.Contains(err.Error(), `"pubic"`) {
		t.Errorf("unknown edge: error = %v, want the server's refusal", err)
	}
	o = m.edgeOptions()
	o.ListenerPorts["https"] = 0
	if err := RunEdge(t.Context(), o); err == nil || !strings.Contains(err.Error(), "has no listener of that name: want one of ") {
		t.Errorf("unknown listener: error = %v", err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	o = m.edgeOptions()
	o.ListenerPorts["http"] = busy.Addr().(*net.TCPAddr).Port
	var problems PortProblems
	if err := RunEdge(t.Context(), o); !errors.As(err, &problems) || problems[0].Flag != "--listener-port http=0" {
		t.Errorf("port in use: error = %v, want PortProblems", err)
	}
}
