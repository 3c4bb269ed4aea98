package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/test/machine"
)

// previousRelease is the file with the commit of the previous release.
const previousRelease = "../versions/previous"

// previous returns the program of the previous release. It is built from the project's history, once.
func previous(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(previousRelease)
	if err != nil {
		t.Fatal(err)
	}
	commit := strings.TrimSpace(string(text))
	folder, err := filepath.Abs(filepath.Join("../../.cache/previous", commit))
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(folder, "doyen")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if out, err := exec.Command("git", "cat-file", "-e", commit+"^{commit}").CombinedOutput(); err != nil {
		machine.Missing(t, fmt.Sprintf("the previous release, commit %s, is not in the history that this copy of the project has (git fetch --unshallow gets all of it): %v: %s", commit, err, out))
	}
	source := t.TempDir()
	for _, command := range []string{
		"git -C ../.. archive " + commit + " | tar -x -C " + source,
		"cd " + source + " && go build -o " + filepath.Join(source, "doyen-previous") + " ./cmd/doyen",
		"mkdir -p " + folder + " && cp " + filepath.Join(source, "doyen-previous") + " " + program + "~ && mv " + program + "~ " + program,
	} {
		if out, err := exec.Command("sh", "-c", command).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", command, err, out)
		}
	}
	return program
}

// restart ends a program in an orderly way, and starts another one in its place: with the same arguments, state and ports.
func (p *process) restart(m *mesh, program string) {
	m.t.Helper()
	p.terminate()
	if code := p.wait(m.t); code != 0 {
		m.t.Errorf("%s ended with status %d: %s", p.name, code, p.output)
	}
	p.Args[0] = program
	p.again(m, nil)
}

// TestPreviousRelease upgrades a mesh of the previous release step by step, under traffic: an agent, then the server, then
// the other agent. No request is lost, and at each step servers, agents and proxies of both releases work together: an
// instance joins, a document reaches a proxy. At the end the edge starts without a server, from what the previous release
// has kept, and the previous release's server and agent take over from this one's.
func TestPreviousRelease(t *testing.T) {
	old := previous(t)
	m := meshOf(t, old)
	m.serve(map[string]string{"mesh.yaml": "kind: Mesh\nname: shop\ndefaults: {retries: 0}\n", "users.yaml": loneService, "edge.yaml": loneEdge})
	first := m.startInstance("users", "users-1", options{program: old})
	second := m.startInstance("users", "users-2", options{program: old})
	edge := m.launchEdge("public", "http")
	answers(t, edge.url, "any.example.com", "users-1")
	m.inSync()
	traffic := startTraffic(t, edge.url, "any.example.com")
	serve := func(i *instance) {
		t.Helper()
		eventually(t, i.name+" is healthy", func() string { return m.stateOf("users", i.ingress, "healthy") })
		traffic.reset()
		eventually(t, i.name+" is called", func() string { return answered(traffic, i.name) })
		m.inSync()
	}

	if out, err := m.upgrade("users"); err == nil || !strings.Contains(strings.Join(strings.Fields(out), " "), "cannot replace its program") {
		t.Errorf("doyen agent upgrade of agents that cannot: %v, %s", err, out)
	}
	first.restart(m, doyen) // this release's agent, the previous one's server
	serve(first)
	m.program = doyen
	m.stopServer()
	m.startServer() // this release's server, the previous one's agents
	serve(first)
	serve(second)
	m.write("edge.yaml", strings.Replace(loneEdge, "{to: users}", "{path: /new, to: users}, {to: users}", 1))
	eventually(t, "a document reaches the edge", func() string {
		m.inSync()
		return reasonOf(ask(newClient(t), edge.url+"/new", "any.example.com"))
	})
	second.restart(m, doyen)
	serve(second)
	traffic.mustNotFail(t)

	m.stopServer()
	edge.kill()
	edge.Args[0] = doyen
	edge.again(m, nil)
	serves(t, "the edge, from what the previous release has kept", func() string {
		return reasonOf(ask(newClient(t), edge.url, "any.example.com"))
	})
	// A server does not read instances that a later release has stored, and says so.
	if err := os.RemoveAll(filepath.Join(m.data, "registry")); err != nil {
		t.Fatal(err)
	}
	m.program = old
	m.startServer()
	eventually(t, "the previous release's server knows the instances", func() string {
		return m.stateOf("users", first.ingress, "healthy") + m.stateOf("users", second.ingress, "healthy")
	})
	second.restart(m, old)
	eventually(t, "the previous release's agent goes on from this one's state", func() string {
		return m.stateOf("users", second.ingress, "healthy")
	})
	m.inSync()
}
