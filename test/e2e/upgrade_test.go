package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doyen-mesh/doyen/internal/agent/status"
)

// children returns the process IDs of the programs that an agent runs.
func (p *process) children(t *testing.T) []string {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", p.Process.Pid)) // a thread's each
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may be over
		all = append(all, strings.Fields(string(text))...)
	}
	slices.Sort(all)
	return all
}

// copyOf copies the program under test to a path of its own.
func copyOf(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doyen")
	content, err := os.ReadFile(doyen)
	if err != nil {
		t.Fatal(err)
	}
	replaceProgram(t, path, content)
	return path
}

// replaceProgram replaces a program by rename, as installers do.
func replaceProgram(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path+"~", content, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+"~", path); err != nil {
		t.Fatal(err)
	}
}

// upgraded waits until the agent with that state folder has replaced its program n times.
func (m *mesh) upgraded(folder string, n int) {
	m.t.Helper()
	eventually(m.t, folder+" was upgraded", func() string {
		a, err := status.Ask(m.t.Context(), filepath.Join(m.state, "doyen/agents", folder, "status.sock"))
		if err == nil && a.Upgrades == n {
			return ""
		}
		return fmt.Sprintf("%d upgrades, %v", a.Upgrades, err)
	})
}

// upgrade runs doyen agent upgrade for one service or edge.
func (m *mesh) upgrade(name string) (string, error) {
	cmd := exec.Command(doyen, "agent", "upgrade", name)
	cmd.Env = append(os.Environ(), m.stateHome())
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// incarnation returns which start of its agent the registry knows an instance by.
func (m *mesh) incarnation(t *testing.T, service string, port int) string {
	t.Helper()
	var in struct {
		Incarnation string `json:"incarnation"`
	}
	if err := getJSON(fmt.Sprintf("http://%s/v1/instances/%s/127.0.0.1:%d", m.http, service, port), &in); err != nil || in.Incarnation == "" {
		t.Fatalf("%+v, %v", in, err)
	}
	return in.Incarnation
}

// watch opens a stream that stays open, and returns a function that wants it to be open still.
func watch(t *testing.T, conn *grpc.ClientConn) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := healthv1.NewHealthClient(conn).Watch(ctx, &healthv1.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := stream.Recv()
		ended <- err
	}()
	return func() {
		t.Helper()
		select {
		case err := <-ended:
			t.Errorf("the stream has ended: %v", err)
		default:
		}
		cancel()
	}
}

// TestAgentReplacesItsProgram upgrades the agents of a service, its caller and an edge, several times and in each of the two
// ways, under traffic. Nothing is lost: their applications and Envoys are the same processes, a stream through them stays
// open, the instance is the same incarnation, and each is an agent like any other afterwards.
func TestAgentReplacesItsProgram(t *testing.T) {
	documents := failStatic()
	documents["mesh.yaml"] = "kind: Mesh\nname: shop\ndefaults: {timeout: 0s, retries: 0}\n"
	m := newMesh(t, documents)
	payments := m.startInstance("payments", "payments-1", options{env: []string{kindVariable + "=grpc"}})
	web := m.startInstance("web", "web-1", options{})
	edge := m.launchEdge("public", "http")
	answers(t, edge.url, "any.example.com", "web-1")
	open := watch(t, connect(t, web.egress))
	requests, calls := startTraffic(t, edge.url, "any.example.com"), startCalls(t, connect(t, web.egress))
	agents := map[string]*process{
		"agent-payments-" + strconv.Itoa(payments.ingress): payments.process,
		"agent-web-" + strconv.Itoa(web.ingress):           web.process,
		"edge-public":                                      edge.process,
	}
	before := map[string][]string{}
	for name, p := range agents {
		before[name] = p.children(t)
	}
	known := m.incarnation(t, "payments", payments.ingress)
	m.inSync()

	for n := range 2 {
		for name, p := range agents {
			if err := p.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			m.upgraded(name, 2*n+1)
		}
		for name, subject := range map[string]string{"edge-public": "public", "agent-web-" + strconv.Itoa(web.ingress): "web", "agent-payments-" + strconv.Itoa(payments.ingress): "payments"} {
			if out, err := m.upgrade(subject); err != nil {
				t.Fatalf("doyen agent upgrade %s: %v: %s", subject, err, out)
			}
			m.upgraded(name, 2*n+2)
		}
		requests.sends(t, rate)
		calls.sends(t, rate)
	}
	m.inSync()
	open()
	requests.mustNotFail(t)
	calls.mustNotFail(t)
	for name, p := range agents {
		if got := p.children(t); !slices.Equal(got, before[name]) {
			t.Errorf("%s runs processes %v, before it was upgraded %v", name, got, before[name])
		}
	}
	if now := m.incarnation(t, "payments", payments.ingress); now != known {
		t.Errorf("the registry knows incarnation %s, before %s", now, known)
	}
	if state := m.stateOf("payments", payments.ingress, "healthy"); state != "" {
		t.Error(state)
	}

	payments.terminate()
	if code := payments.wait(t); code != 0 {
		t.Errorf("the agent ended with status %d: %s", code, payments.output)
	}
	if state := m.stateOf("payments", payments.ingress, "healthy"); !strings.Contains(state, "404") {
		t.Errorf("the instance is still in the registry: %q", state)
	}
}

// TestBrokenProgramIsRefused asks an agent to go on as programs that cannot: nothing changes, and the agent says why.
func TestBrokenProgramIsRefused(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	path := copyOf(t)
	i := m.startInstance("users", "users-1", options{program: path})
	before := i.children(t)
	for script, why := range map[string]string{
		"exit 3":                     "does not run",
		"echo hello":                 "it is no doyen",
		"sleep 60":                   "does not run",
		`echo '{"version": "v0.1"}'`: "cannot go on with what runs",
		`[ "$1" = version ] && exec ` + doyen + ` "$@"; echo "no such flag" >&2; exit 2`: "does not start: exit status 2: no such flag",
	} {
		replaceProgram(t, path, []byte("#!/bin/sh\n"+script+"\n"))
		if out, err := m.upgrade("users"); err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), why) {
			t.Errorf("%s: %v, %s: want %q", script, err, out, why)
		}
	}
	if got := i.children(t); !slices.Equal(got, before) {
		t.Errorf("the agent runs processes %v, before %v", got, before)
	}
	if state := m.stateOf("users", i.ingress, "healthy"); state != "" {
		t.Error(state)
	}
}

// TestSuccessorThatDies replaces an agent's program by one that passes every check and ends at once: the kernel ends the
// application and Envoy, and nothing is left that would be in the way of the next start.
func TestSuccessorThatDies(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	path := copyOf(t)
	i := m.startInstance("users", "users-1", options{program: path})
	replaceProgram(t, path, []byte("#!/bin/sh\n[ \"$1\" = version ] || [ \"$DOYEN_HANDOVER\" = check ] && exec "+doyen+" \"$@\"\nexit 9\n"))
	i.last = func() {}
	if err := i.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if code := i.wait(t); code != 9 {
		t.Errorf("the process ended with status %d", code)
	}
	for what, port := range map[string]int{"Envoy": i.admin, "the application": i.app} {
		eventually(t, what+" is gone", func() string {
			if _, err := exchange(fmt.Sprintf("127.0.0.1:%d", port), "GET / HTTP/1.0\r\n\r\n"); err == nil {
				return "it still answers"
			}
			return ""
		})
	}
	i.Path = doyen
	i.Args[0] = doyen
	i.again(m, nil)
	eventually(t, "the next agent serves", func() string { return m.stateOf("users", i.ingress, "healthy") })
}

// TestChildrenOfAnUpgradedAgent kills the application of an agent that was upgraded, and then its Envoy: the agent that follows
// handles both as the one before did.
func TestChildrenOfAnUpgradedAgent(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	i := m.startInstance("users", "users-1", options{})
	i.last = func() {}
	if out, err := m.upgrade("users"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := syscall.Kill(i.envoy(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of Envoy is noticed", func() string { return m.stateOf("users", i.ingress, "unhealthy") })
	eventually(t, "Envoy is started again", func() string { return m.stateOf("users", i.ingress, "healthy") })
	get(t, fmt.Sprintf("http://127.0.0.1:%d/exit?status=7", i.app), "users")
	if code := i.wait(t); code != 7 {
		t.Errorf("the agent ended with status %d: want the application's 7", code)
	}
}
