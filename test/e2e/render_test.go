package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/doyen-mesh/doyen/test/machine"
)

// TestRenderedFile runs an edge from a complete static file without a server, and then from a file that gets only its
// endpoints from a server: the first two steps of a fleet that adopts doyen.
func TestRenderedFile(t *testing.T) {
	m := newMesh(t, map[string]string{
		"users.yaml": loneService,
		"edge.yaml":  loneEdge,
	})
	first := m.startInstance("users", "users-1", options{})

	t.Run("hybrid", func(t *testing.T) {
		edge := m.runRendered(t, "--xds", m.grpc)
		answers(t, edge+"/", "any.example.com", "users-1")
		m.startInstance("users", "users-2", options{})
		answers(t, edge+"/", "any.example.com", "users-2")
	})
	t.Run("static", func(t *testing.T) {
		m.stopServer()
		edge := m.runRendered(t, "--endpoint", "users=127.0.0.1:"+strconv.Itoa(first.ingress))
		answers(t, edge+"/", "any.example.com", "users-1")
	})
}

// runRendered runs an Envoy with the output of doyen render for the edge, and returns its URL.
func (m *mesh) runRendered(t *testing.T, args ...string) (url string) {
	t.Helper()
	ports := machine.FreePorts(t, 2)
	args = append([]string{
		"render", m.folder, "--node", "edge/public/test",
		"--listener-port", fmt.Sprintf("http=%d", ports[0]), "--admin-port", strconv.Itoa(ports[1]),
	}, args...)
	file, err := exec.Command(doyen, args...).Output()
	if err != nil {
		t.Fatalf("doyen %v: %v", args, err)
	}
	path := filepath.Join(t.TempDir(), "envoy.yaml")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	envoy := machine.Envoy(t)
	if out, err := exec.Command(envoy, "--mode", "validate", "-c", path).CombinedOutput(); err != nil {
		t.Fatalf("envoy refuses %s: %v\n%s", file, err, out)
	}
	start(t, "rendered edge", nil, envoy, "-c", path, "--use-dynamic-base-id").atLast(func() { mustBeClean(t, "rendered edge", ports[1]) })
	return fmt.Sprintf("http://127.0.0.1:%d", ports[0])
}
