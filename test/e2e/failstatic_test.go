package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/status"
)

// startLimit is how long a proxy or a program that starts while no server answers may take until it serves. It is 2 s on a
// machine that has nothing else to do, most of which is Envoy's own start. What would be wrong takes longer: Envoy
// waits 15 s for a configuration that does not come.
const startLimit = 6 * time.Second

// failStatic is the documents of a service behind sidecars that is called by an edge, a sidecar and a gRPC program.
func failStatic() map[string]string {
	return map[string]string{
		"mesh.yaml":     "kind: Mesh\nname: shop\n",
		"payments.yaml": "kind: Service\nname: payments\nports: [9090/grpc]\nhealth: {grpc: \"\", interval: 500ms, timeout: 500ms}\n",
		"web.yaml":      "kind: Service\nname: web\nports: [8080]\ncalls: [payments]\n",
		"reports.yaml":  "kind: Service\nname: reports\nports: [7070]\ncalls: [payments]\n",
		"edge.yaml":     "kind: Edge\nname: public\nlisteners: [{name: http, address: 127.0.0.1, port: 8000}]\nroutes: [{to: web}]\n",
	}
}

// TestEverythingStartsWithoutAServer kills the server, and then starts each kind of proxy again: an Envoy that was killed, by
// its agent; the agents of an edge, of a sidecar and of a gRPC program, which take their proxies with them. Each serves
// soon. Calls between those that live do not fail.
func TestEverythingStartsWithoutAServer(t *testing.T) {
	m := newMesh(t, failStatic())
	grpcKind := []string{kindVariable + "=grpc"}
	m.startInstance("payments", "payments-1", options{env: grpcKind})
	dying := m.startInstance("payments", "payments-2", options{env: grpcKind})
	web := m.startInstance("web", "web-1", options{})
	reports := m.launchInstance("reports", "reports-1", options{args: []string{"--no-envoy"}})
	edge := m.launchEdge("public", "http")
	answers(t, edge.url, "any.example.com", "web-1")
	report := fmt.Sprintf("http://127.0.0.1:%d/grpc/payments", reports.app)
	calls(t, report)
	bystanders := startCalls(t, connect(t, web.egress))
	eventually(t, "payments are called", func() string { return answered(bystanders, "payments-1") })
	m.inSync()

	m.server.kill()
	if err := syscall.Kill(dying.envoy(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	serves(t, "the sidecar that its agent starts again", func() string {
		_, err := callGRPC(connect(t, dying.ingress))
		return reason(err)
	})
	bystanders.sends(t, rate)
	r := bystanders.stop()
	t.Log(r)
	if r.Failed > r.Sent/50 {
		t.Errorf("%d of %d calls failed, more than what a dying Envoy had in hand", r.Failed, r.Sent)
	}

	edge.kill()
	edge.again(m, nil)
	serves(t, "the edge", func() string { return reasonOf(ask(newClient(t), edge.url, "any.example.com")) })
	web.kill()
	web.again(m, nil)
	serves(t, "the sidecar", func() string {
		_, err := callGRPC(connect(t, web.egress))
		return reason(err)
	})
	reports.kill()
	reports.again(m, nil)
	serves(t, "the gRPC program", func() string { return reasonOf(ask(newClient(t), report, "any.example.com")) })
	after := startCalls(t, connect(t, web.egress))
	after.sends(t, rate)
	after.mustNotFail(t)

	m.startServer()
	eventually(t, "the instances are registered again", func() string {
		return m.stateOf("web", web.ingress, "healthy") + m.stateOf("payments", dying.ingress, "healthy")
	})
	m.inSync()
}

// TestCopyOnDisk starts an edge without a server: with a copy that is old, which serves and is said to be old; with a copy
// that is damaged, which is ignored as a whole and reported; and then with a server.
func TestCopyOnDisk(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge})
	m.startInstance("users", "users-1", options{})
	edge := m.launchEdge("public", "http")
	answers(t, edge.url, "any.example.com", "users-1")
	m.inSync()
	copies := func() []string {
		found, err := filepath.Glob(filepath.Join(m.state, "doyen/agents/edge-public/xds/*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("no copy: %v", err)
		}
		return found
	}
	eventually(t, "the copy is on disk", func() string {
		if a := m.agent(t, "edge-public"); !a.Clients[0].Current || a.Clients[0].Saved.IsZero() {
			return fmt.Sprintf("%+v", a.Clients[0])
		}
		return ""
	})
	edge.kill()
	m.server.kill()

	month := time.Now().Add(-30 * 24 * time.Hour)
	for _, name := range copies() {
		if err := os.Chtimes(name, month, month); err != nil {
			t.Fatal(err)
		}
	}
	edge.again(m, nil)
	serves(t, "the edge with an old copy", func() string { return reasonOf(ask(newClient(t), edge.url, "any.example.com")) })
	m.says(t, "edge-public", "described by the copy on disk", "served from the agent's copy", "current 30d")
	edge.kill()

	for _, name := range copies() {
		content, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		content[len(content)/2] ^= 1
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edge.again(m, nil)
	eventually(t, "the damaged copy is reported", func() string {
		if a := m.agent(t, "edge-public"); len(a.Clients) == 0 || !strings.Contains(a.Clients[0].Ignored, "checksum") || len(a.Clients[0].Resources) > 0 {
			return fmt.Sprintf("%+v", a)
		}
		return ""
	})
	m.says(t, "edge-public", "was ignored", "damaged")
	if !strings.Contains(edge.output.String(), "copy of a client's configuration is ignored") {
		t.Errorf("the log does not say that the copy is ignored:\n%s", edge.output)
	}
	m.startServer()
	serves(t, "the edge once there is a server", func() string { return reasonOf(ask(newClient(t), edge.url, "any.example.com")) })
	m.says(t, "edge-public", "served from a server", "the copy on disk is current")
}

// calls waits until a proxyless program's calls are answered.
func calls(t *testing.T, url string) {
	t.Helper()
	eventually(t, url+" is answered", func() string { return reasonOf(ask(newClient(t), url, "any.example.com")) })
}

// serves wants check to return "" within startLimit.
func serves(t *testing.T, what string, check func() string) {
	t.Helper()
	started := time.Now()
	eventually(t, what+" serves", check)
	took := time.Since(started)
	t.Logf("%s serves after %v", what, took.Round(time.Millisecond))
	if took > startLimit {
		t.Errorf("%s serves after %v: want at most %v", what, took, startLimit)
	}
}

func reasonOf(_ string, err error) string { return reason(err) }

// again starts a program that was killed once more, with the same command line and environment.
func (p *process) again(m *mesh, env []string) {
	m.t.Helper()
	*p = *start(m.t, p.name, append(p.Env, env...), p.Args[0], p.Args[1:]...)
}

// agent is what doyen agent status says of the agent with that state folder.
func (m *mesh) agent(t *testing.T, name string) status.Agent {
	t.Helper()
	var said struct {
		Agents []status.Agent `json:"agents"`
	}
	if err := json.Unmarshal([]byte(m.agentStatus(t, name, "-o", "json")), &said); err != nil || len(said.Agents) != 1 {
		t.Fatalf("doyen agent status -o json: %+v, %v", said, err)
	}
	return said.Agents[0]
}

// says waits until doyen agent status has all texts.
func (m *mesh) says(t *testing.T, name string, texts ...string) {
	t.Helper()
	eventually(t, "doyen agent status says so", func() string {
		said := strings.Join(strings.Fields(m.agentStatus(t, name)), " ")
		for _, text := range texts {
			if !strings.Contains(said, text) {
				return fmt.Sprintf("%q is not in %s", text, said)
			}
		}
		return ""
	})
}

func (m *mesh) agentStatus(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(doyen, append([]string{"agent", "status", "--state-dir", filepath.Join(m.state, "doyen/agents", name)}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("doyen agent status: %v: %s", err, &stderr)
	}
	return string(out)
}
