package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/test/machine"
)

// mesh is one server with its folder of documents, and what is started around it.
type mesh struct {
	t      *testing.T
	folder string // documents
	data   string // the server's state
	state  string // of agents
	grpc   string // addresses of the server
	http   string
	server *process

	program     string   // of the server and of edges
	arguments   []string // more of the server's
	environment []string // likewise
}

// newMesh starts a server on a folder with the given documents, keyed by file name.
func newMesh(t *testing.T, documents map[string]string) *mesh {
	t.Helper()
	return newMeshWith(t, documents, nil)
}

// newMeshWith is newMesh with more arguments and environment for the server.
func newMeshWith(t *testing.T, documents map[string]string, environment []string, arguments ...string) *mesh {
	t.Helper()
	m := meshOf(t, doyen)
	m.arguments, m.environment = arguments, environment
	m.serve(documents)
	return m
}

// meshOf returns a mesh whose server is not started.
func meshOf(t *testing.T, program string) *mesh {
	t.Helper()
	ports := machine.FreePorts(t, 2)
	return &mesh{
		t: t, program: program, folder: t.TempDir(), data: t.TempDir(), state: t.TempDir(),
		grpc: "127.0.0.1:" + strconv.Itoa(ports[0]), http: "127.0.0.1:" + strconv.Itoa(ports[1]),
	}
}

// serve starts the server on a folder with the given documents, keyed by file name.
func (m *mesh) serve(documents map[string]string) {
	m.t.Helper()
	for name, text := range documents {
		m.write(name, text)
	}
	m.startServer()
}

// write writes a document to the folder by rename, as careful editors do.
func (m *mesh) write(name, text string) {
	m.t.Helper()
	path := filepath.Join(m.folder, name)
	if err := os.WriteFile(path+"~", []byte(text), 0o644); err != nil {
		m.t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mesh) startServer() {
	m.t.Helper()
	arguments := append([]string{"server", "--config", m.folder, "--data", m.data, "--grpc", m.grpc, "--http", m.http}, m.arguments...)
	m.server = start(m.t, "server", m.environment, m.program, arguments...)
	eventually(m.t, "the server answers", func() string {
		select {
		case <-m.server.ended:
			m.t.Fatalf("the server ended: %s", m.server.output)
		default:
		}
		_, err := m.tryStatus()
		return reason(err)
	})
}

// stopServer ends the server in an orderly way.
func (m *mesh) stopServer() {
	m.t.Helper()
	m.server.terminate()
	if code := m.server.wait(m.t); code != 0 {
		m.t.Errorf("the server ended with status %d: %s", code, m.server.output)
	}
}

// instance is one running copy of an application with its agent and sidecar.
type instance struct {
	*process
	egress, ingress, admin, app int
	tcp                         map[string]int
}

// options are what an instance may have besides its service.
type options struct {
	zone string
	tcp  []string // TCP services and externals it calls: each gets a port of its own
	env  []string
	args []string // more flags for the agent
	xds  string   // where the proxy gets its configuration; "" is the server

	address string // where callers reach it; "" is 127.0.0.1
	program string // of the agent; "" is the one under test
}

// startInstance runs an application with a name, as an instance of service, and waits until it is checked in.
func (m *mesh) startInstance(service, name string, o options) *instance {
	m.t.Helper()
	i := m.launchInstance(service, name, o)
	eventually(m.t, name+" is checked in as healthy", func() string { return m.stateOf(service, i.ingress, "healthy") })
	return i
}

// launchInstance is startInstance without the wait.
func (m *mesh) launchInstance(service, name string, o options) *instance {
	m.t.Helper()
	ports := machine.FreePorts(m.t, 4+len(o.tcp))
	i := &instance{egress: ports[0], ingress: ports[1], admin: ports[2], app: ports[3], tcp: map[string]int{}}
	self, err := os.Executable()
	if err != nil {
		m.t.Fatal(err)
	}
	args := []string{
		"agent", "--service", service, "--port", strconv.Itoa(i.app), "--address", cmp.Or(o.address, "127.0.0.1"),
		"--server", "http://" + m.http, "--xds", cmp.Or(o.xds, m.grpc), "--zone", o.zone,
		"--egress-port", strconv.Itoa(i.egress), "--ingress-port", strconv.Itoa(i.ingress), "--admin-port", strconv.Itoa(i.admin),
	}
	for n, to := range o.tcp {
		i.tcp[to] = ports[4+n]
		args = append(args, "--tcp-port", fmt.Sprintf("%s=%d", to, ports[4+n]))
	}
	args = append(append(args, o.args...), "--", self)
	env := append([]string{appVariable + "=" + name, "PORT=" + strconv.Itoa(i.app), m.stateHome()}, o.env...)
	i.process = start(m.t, name, env, cmp.Or(o.program, doyen), args...)
	if !slices.Contains(o.args, "--no-envoy") {
		i.atLast(func() { mustBeClean(m.t, name, i.admin) })
	}
	return i
}

// stateHome is the variable by which the mesh's agents find their state folders.
func (m *mesh) stateHome() string { return "XDG_STATE_HOME=" + m.state }

// edge is one Envoy where traffic enters the mesh.
type edge struct {
	*process
	url   string         // of its listener "http"
	ports map[string]int // by listener
	admin int
}

// startEdge runs an Envoy for the Edge document, whose listener is called http, and waits until it answers.
func (m *mesh) startEdge(name string) (url string) {
	m.t.Helper()
	e := m.launchEdge(name, "http")
	e.listens(m.t, "http")
	return e.url
}

// launchEdge is startEdge for any listeners, and without the wait.
func (m *mesh) launchEdge(name string, listeners ...string) *edge {
	m.t.Helper()
	ports := machine.FreePorts(m.t, 1+len(listeners))
	e := &edge{admin: ports[0], ports: map[string]int{}}
	args := []string{"edge", "--edge", name, "--server", "http://" + m.http, "--xds", m.grpc, "--admin-port", strconv.Itoa(e.admin)}
	for i, l := range listeners {
		e.ports[l] = ports[1+i]
		args = append(args, "--listener-port", fmt.Sprintf("%s=%d", l, e.ports[l]))
	}
	e.url = fmt.Sprintf("http://127.0.0.1:%d", e.ports["http"])
	e.process = start(m.t, "edge "+name, []string{m.stateHome()}, m.program, args...)
	e.atLast(func() { mustBeClean(m.t, "edge "+name, e.admin) })
	return e
}

// listens waits until a listener accepts connections.
func (e *edge) listens(t *testing.T, listener string) {
	t.Helper()
	eventually(t, "the edge listens", func() string {
		conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", e.ports[listener]))
		if err != nil {
			return err.Error()
		}
		return reason(conn.Close())
	})
}

// tryStatus returns the server's status.
func (m *mesh) tryStatus() (api.Status, error) {
	var s api.Status
	return s, getJSON("http://"+m.http+"/v1/status", &s)
}

// stateOf returns "" if the instance of service on that port of 127.0.0.1 has the state, else its actual state.
func (m *mesh) stateOf(service string, port int, state string) string {
	return m.stateAt(service, fmt.Sprintf("127.0.0.1:%d", port), state)
}

// stateAt is stateOf for any address.
func (m *mesh) stateAt(service, address, state string) string {
	var got struct {
		State string `json:"state"`
	}
	if err := getJSON(fmt.Sprintf("http://%s/v1/instances/%s/%s", m.http, service, address), &got); err != nil {
		return err.Error()
	}
	if got.State != state {
		return "its state is " + got.State
	}
	return ""
}

// inSync waits until every connected proxy has acknowledged all its configuration.
func (m *mesh) inSync() {
	m.t.Helper()
	eventually(m.t, "all proxies are in sync", func() string {
		status, err := m.tryStatus()
		if err != nil {
			return err.Error()
		}
		for _, p := range status.Proxies {
			if p.Connected && !p.InSync {
				return p.Node + ": " + p.Why
			}
		}
		return ""
	})
}

func getJSON(url string, v any) error {
	response, err := http.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", url, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(v)
}

// reason returns err's text, and "" for nil.
func reason(err error) string {
	if err != nil {
		return err.Error()
	}
	return ""
}
