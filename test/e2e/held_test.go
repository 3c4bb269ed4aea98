package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestMassRemovalIsHeld empties most of the folder: nothing is removed until somebody lets it through,
// and not by a restart of the server either.
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
