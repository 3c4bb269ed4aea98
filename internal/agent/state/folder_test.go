package state

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/datafolder"
)

func open(t *testing.T, path string) *Folder {
	t.Helper()
	f, err := OpenFree(path, "a test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestWhatIsSavedIsLoaded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "state")
	f := open(t, path)
	if a, err := f.Load(); err != nil || a.Service != nil {
		t.Errorf("an empty folder: %+v, %v", a, err)
	}
	want := Agent{
		Service: &api.Service{Name: "users", Ports: []api.Port{{Name: "http", Port: 8080}}},
		Ports:   map[string]int{"--egress-port 0": 20001}, Address: netip.MustParseAddr("10.0.0.7"), Node: "1a2b",
	}
	if err := f.Save(want); err != nil {
		t.Fatal(err)
	}
	f.Close()
	got, err := open(t, path).Load()
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder has mode %v, %v", info.Mode(), err)
	}
}

// TestDamagedState: nothing of it is used.
func TestDamagedState(t *testing.T) {
	f := open(t, t.TempDir())
	if err := f.Save(Agent{Node: "1a2b", Ports: map[string]int{"--egress-port 0": 20001}}); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(f.Path(), agentFile)
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for at := range content {
		damaged := append([]byte{}, content...)
		damaged[at] ^= 1
		if _, err := decode(damaged); err == nil {
			t.Errorf("byte %d is damaged, and the state is used", at)
		}
		if _, err := decode(content[:at]); err == nil {
			t.Errorf("the state is cut after %d bytes and used", at)
		}
	}
	if err := os.WriteFile(name, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := f.Load(); err == nil || !strings.Contains(err.Error(), name) || a.Node != "" {
		t.Errorf("%+v, %v: want an error with the file's name", a, err)
	}
}

// TestFolderHasOneAgent: another one is refused it, or takes the next.
func TestFolderHasOneAgent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users")
	if first := open(t, path); first.Path() != path {
		t.Errorf("the first agent has %s", first.Path())
	}
	if _, err := Open(path, "a test"); !errors.Is(err, datafolder.ErrInUse) {
		t.Errorf("error %v: want that it is in use", err)
	}
	if second := open(t, path); second.Path() != path+"-2" {
		t.Errorf("the second agent has %s", second.Path())
	}
}

func TestFolderIsPrivate(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v: want it closed to others", info.Mode(), err)
	}
	if err := os.Chmod(path, 0o755); err != nil { // as systemd does at each start
		t.Fatal(err)
	}
	if f, err := OpenFree(path, "a test"); err != nil {
		t.Errorf("a folder that agents have used: %v", err)
	} else {
		f.Close()
	}
	if _, err := Open(filepath.Join(t.TempDir(), strings.Repeat("x", maxSocket)), "a test"); err == nil || !strings.Contains(err.Error(), "shorter") {
		t.Errorf("a folder whose sockets nobody could use: error %v", err)
	}
}

// TestFolderOfOthersIsLeftAlone: an agent that is told to use /etc must not close it to everybody else.
func TestFolderOfOthersIsLeftAlone(t *testing.T) {
	path := t.TempDir()
	for _, err := range []error{os.Mkdir(filepath.Join(path, "lock"), 0o755), os.Chmod(path, 0o755)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if f, err := Open(path, "a test"); err == nil || !strings.Contains(err.Error(), "0755") {
		t.Errorf("folder %v, error %v: want one with the mode", f, err)
	}
	entries, err := os.ReadDir(path)
	if info, err2 := os.Stat(path); err != nil || err2 != nil || len(entries) != 1 || info.Mode().Perm() != 0o755 {
		t.Errorf("the folder has %v and mode %v: want it as it was", entries, info.Mode())
	}
}
