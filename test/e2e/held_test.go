package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMassRemovalIsHeld removes most of the folder: nothing is removed until somebody accepts it, also not by a
// restart of the server.
func TestMassRemovalIsHeld(t *testing.T) {
	documents := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d"} {
		documents[name+".yaml"] = fmt.Sprintf("kind: Service\nname: %s\nports: [8080]\n", name)
	}
	m := newMesh(t, documents)
	for _, name := range []string{"a", "b", "c"} {
		if err := os.Remove(filepath.Join(m.folder, name+".yaml")); err != nil {
			t.Fatal(err)
		}
	}
	revision := m.held()
	m.stopServer()
	m.startServer()
	if again := m.held(); again != revision {
		t.Errorf("after a restart %s is held: want %s", again, revision)
	}
	m.statusSays("doyen accept " + revision)
	m.run("accept", revision)
	eventually(t, "the change is in force", func() string {
		s, err := m.tryStatus()
		if err != nil || s.Config.Held != nil || s.Server.Revision != revision {
			return fmt.Sprintf("%v, revision %s, held %v", err, s.Server.Revision, s.Config.Held)
		}
		return ""
	})
}

// TestFolderGoesAway renames the folder of a running server and renames it back: status says so, and the mesh keeps
// what was accepted.
func TestFolderGoesAway(t *testing.T) {
	t.Parallel()
	m := newMesh(t, map[string]string{"users.yaml": loneService, "edge.yaml": loneEdge})
	m.startInstance("users", "users-1", options{})
	edge := m.startEdge("public")
	away := filepath.Join(t.TempDir(), "away")
	if err := os.Rename(m.folder, away); err != nil {
		t.Fatal(err)
	}
	eventually(t, "status says that the folder is not read", func() string {
		s, err := m.tryStatus()
		if err != nil || s.Config.Error == "" {
			return fmt.Sprintf("%v, no error", err)
		}
		return ""
	})
	m.statusSays("- "+m.folder+": ", "stays in force")
	answersExactly(t, edge, "any.example.com", "users-1")
	if err := os.Rename(away, m.folder); err != nil {
		t.Fatal(err)
	}
	m.write("orders.yaml", "kind: Service\nname: orders\nports: [8080]\n")
	eventually(t, "the folder is read again", func() string {
		s, err := m.tryStatus()
		services := m.run("services")
		if err != nil || s.Config.Error != "" || !strings.Contains(services, "orders") {
			return fmt.Sprintf("%v, error %q, services %s", err, s.Config.Error, services)
		}
		return ""
	})
}

// held waits until a change is held and returns its revision, with all services still there.
func (m *mesh) held() (revision string) {
	m.t.Helper()
	eventually(m.t, "the change is held", func() string {
		s, err := m.tryStatus()
		if err != nil || s.Config.Held == nil {
			return fmt.Sprintf("%v, held %v, problems %v", err, s.Config.Held, s.Config.Problems)
		}
		if len(s.Config.Held.Removes) != 3 {
			m.t.Fatalf("it would remove %v: want three services", s.Config.Held.Removes)
		}
		revision = s.Config.Held.Revision
		return ""
	})
	var services struct {
		Services []struct{ Name string }
	}
	if err := getJSON("http://"+m.http+"/v1/services", &services); err != nil || len(services.Services) != 4 {
		m.t.Fatalf("services are %v, %v: want all four", services, err)
	}
	return revision
}
