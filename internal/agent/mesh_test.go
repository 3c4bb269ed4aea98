package agent

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/server"
	"github.com/doyen-mesh/doyen/test/machine"
)

const usersManifest = `
kind: Service
name: users
ports: [8080]
health: {http: /healthz, interval: 200ms, timeout: 200ms}
`

// testMesh is a server in this process.
type testMesh struct {
	t          *testing.T
	config     string
	grpc, http string
	registry   *client.Client
	stop       func()
}

// newTestMesh chooses ports and writes documents; it starts no server.
func newTestMesh(t *testing.T, documents string) *testMesh {
	t.Helper()
	chooser := newPortChooser()
	m := &testMesh{t: t, config: t.TempDir(), stop: func() {}}
	for _, address := range []*string{&m.grpc, &m.http} {
		*address = fmt.Sprintf("127.0.0.1:%d", chooser.choose("server", "", "127.0.0.1", 0))
	}
	if err := os.WriteFile(filepath.Join(m.config, "mesh.yaml"), []byte(documents), 0o644); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	if m.registry, err = client.New("http://"+m.http, &http.Client{Transport: transport}); err != nil {
		t.Fatal(err)
	}
	return m
}

// write changes the documents.
func (m *testMesh) write(documents string) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.config, "mesh.yaml"), []byte(documents), 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// start starts the server and waits until it serves.
func (m *testMesh) start() {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- server.Run(ctx, server.Options{
			Config: m.config, Data: m.t.TempDir(), GRPC: m.grpc, HTTP: m.http,
			Ready: func(server.Addresses) { close(ready) },
		})
	}()
	m.stop = func() {
		cancel()
		if err := <-done; err != nil {
			m.t.Errorf("server: %v", err)
		}
		m.stop = func() {}
	}
	m.t.Cleanup(func() { m.stop() })
	select {
	case <-ready:
	case err := <-done:
		m.t.Fatalf("server: %v", err)
	}
}

// options are an agent's for one of the test applications, on free ports.
func (m *testMesh) options(app string) Options {
	m.t.Helper()
	port := newPortChooser().choose("application", "", "", 0)
	m.t.Setenv(testApp, app)
	return Options{
		Service: "users", Command: []string{os.Args[0]}, HostOptions: HostOptions{Server: "http://" + m.http, XDS: m.grpc, StateDir: m.t.TempDir()},
		Address: netip.MustParseAddr("127.0.0.1"), AppPorts: map[mesh.PortName]int{"": port},
		IngressPorts: map[mesh.PortName]int{"": 0},
		Proxy:        supervisor.EnvoyOptions{Path: machine.Envoy(m.t), Concurrency: 1},
		DrainTimeout: DefaultDrainTimeout, StopTimeout: DefaultStopTimeout,
		Stdout: io.Discard, Stderr: io.Discard,
	}
}

// running is an agent in this process.
type running struct {
	t      *testing.T
	end    context.CancelFunc
	hurry  chan struct{}
	done   chan struct{}
	status int
	err    error
	log    *machine.Output
}

// run runs an agent, with a log that the test shows when it fails.
func (m *testMesh) run(o Options) *running {
	m.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: m.t, end: cancel, hurry: make(chan struct{}), done: make(chan struct{}), log: &machine.Output{}}
	o.Hurry, o.Log = r.hurry, slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if o.Stderr == io.Discard {
		o.Stderr = r.log
	}
	go func() {
		defer close(r.done)
		r.status, r.err = Run(ctx, o)
	}()
	m.t.Cleanup(func() {
		cancel()
		<-r.done
		if m.t.Failed() {
			m.t.Logf("the agent's log:\n%s", r.log)
		}
	})
	return r
}

// wait waits for the agent's end and wants its status.
func (r *running) wait(want int) {
	r.t.Helper()
	select {
	case <-r.done:
	case <-time.After(30 * time.Second):
		r.t.Fatal("the agent has not ended after 30 s")
	}
	if r.status != want || r.err != nil {
		r.t.Errorf("status %d, error %v; want %d and none", r.status, r.err, want)
	}
}

// instance is the one instance of users in the registry; nil when there is none.
func (m *testMesh) instance() *registry.Instance {
	m.t.Helper()
	answer, err := m.registry.Instances(m.t.Context(), "users")
	if err != nil || len(answer.Instances) == 0 {
		return nil
	}
	in := answer.Instances[0]
	return &registry.Instance{Key: registry.Key{Service: in.Service, Address: in.Address}, State: in.State, Reason: in.Reason, Ports: in.Ports, Zone: in.Zone}
}

// healthy waits until the instance takes traffic and returns its URL.
func (m *testMesh) healthy() string {
	m.t.Helper()
	m.becomes(registry.Healthy)
	return "http://" + m.instance().Address.String()
}

func (m *testMesh) becomes(state registry.State) {
	m.t.Helper()
	eventually(m.t, "the instance is "+string(state), func() bool {
		i := m.instance()
		return i != nil && i.State == state
	})
}

// get is the body of a successful answer.
func get(t *testing.T, url string) (string, error) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 10 * time.Second}
	response, err := client.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s", response.Status)
	}
	return string(bytes.TrimSpace(body)), err
}
