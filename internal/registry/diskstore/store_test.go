package diskstore

import (
	"bytes"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// instance returns instance number n of users, with build as the only thing to change.
func instance(n int, build string) registry.Change {
	i := &registry.Instance{
		Key:   registry.Key{Service: "users", Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 9211)},
		Ports: map[mesh.PortName]int{"admin": 9212}, Zone: "a", Tags: map[string]string{"build": build},
		Weight: 7, State: registry.Draining, Reason: "it stops", Lease: 90 * time.Second, Identity: "spiffe://mesh/users", Proxy: "sidecar/users/1",
	}
	return registry.Change{Key: i.Key, Instance: i}
}

func gone(n int) registry.Change { return registry.Change{Key: instance(n, "").Key} }

func open(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func save(t *testing.T, s *Store, changes ...registry.Change) {
	t.Helper()
	if err := s.Save(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}

// reopened closes s and returns what the store in its folder has then.
func reopened(t *testing.T, s *Store) map[registry.Key]*registry.Instance {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return stored(t, s.dir)
}

func stored(t *testing.T, dir string) map[registry.Key]*registry.Instance {
	t.Helper()
	s := open(t, dir)
	defer s.Close()
	loaded, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[registry.Key]*registry.Instance)
	for _, c := range loaded {
		if c.Instance != nil {
			found[c.Key] = c.Instance
		}
	}
	return found
}

// of is the state in which exactly changes were made.
func of(changes ...registry.Change) map[registry.Key]*registry.Instance {
	made := make(map[registry.Key]*registry.Instance)
	for _, c := range changes {
		made[c.Key] = c.Instance
	}
	return made
}

func same(t *testing.T, got, want map[registry.Key]*registry.Instance) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

func TestChangesSurvive(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "made", "on", "demand"))
	save(t, s, instance(1, "one"), instance(2, "one"))
	save(t, s, instance(3, `"<quoted>"`))
	save(t, s, instance(1, "two"), gone(2))
	same(t, reopened(t, s), of(instance(1, "two"), instance(3, `"<quoted>"`)))
}

// TestTornEnd cuts the file at every byte of its last frame.
func TestTornEnd(t *testing.T) {
	s := open(t, t.TempDir())
	save(t, s, instance(1, "one"))
	whole := s.end
	save(t, s, instance(2, "one"), instance(1, "two"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := read(t, s.dir)
	for cut := whole + 1; cut < int64(len(content)); cut++ {
		dir := folder(t, content[:cut])
		var log bytes.Buffer
		s, err := Open(dir, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if !strings.Contains(log.String(), "unfinished") {
			t.Fatalf("cut at %d: nothing was logged", cut)
		}
		if kept, err := os.ReadFile(s.path(tornName)); err != nil || !bytes.Equal(kept, content[whole:cut]) {
			t.Fatalf("cut at %d: kept %d bytes, %v, want those that were cut off", cut, len(kept), err)
		}
		save(t, s, instance(3, "one"))
		same(t, reopened(t, s), of(instance(1, "one"), instance(3, "one")))
	}
}

// TestDamage flips each byte that is not in the last frame: nothing may be lost in silence.
func TestDamage(t *testing.T) {
	s := open(t, t.TempDir())
	save(t, s, instance(1, "one"))
	save(t, s, instance(2, "one"))
	last := s.end
	save(t, s, instance(3, "one"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	content := read(t, s.dir)
	for at := range last {
		damaged := bytes.Clone(content)
		damaged[at] ^= 0x20
		dir := folder(t, damaged)
		s, err := Open(dir, nil)
		if err == nil {
			s.Close()
			t.Fatalf("byte %d is damaged and Open says nothing", at)
		}
		for _, want := range []string{logName, "nothing was changed", "move it away"} {
			if !strings.Contains(err.Error(), want) {
				t.Fatalf("byte %d: error %q does not say %q", at, err, want)
			}
		}
		if !bytes.Equal(read(t, dir), damaged) {
			t.Fatalf("byte %d: the file was changed", at)
		}
	}
}

func TestForeignFiles(t *testing.T) {
	for name, test := range map[string]struct{ content, want string }{
		"empty":         {"", "does not begin with"},
		"other program": {"\x00\x01\x02 something else entirely that is rather longer than a line of ours would be", "does not begin with"},
		"later format":  {"doyen instances 4\n", "has format 4, and this doyen knows 1 to 3 only"},
		"another field": {string(appendFrame(header(), []byte(`[{"service":"users","address":"10.0.0.1:1","colour":"red"}]`))), "colour"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(folder(t, []byte(test.content)), nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// TestFirstFormat reads what a release without incarnations wrote, and goes on with it in today's format.
func TestFirstFormat(t *testing.T) {
	old := appendFrame([]byte("doyen instances 1\n"), []byte(`[{"service":"users","address":"10.0.0.1:9211","ports":{"admin":9212},"weight":7,"state":"draining","lease":90000000000}]`))
	dir := folder(t, old)
	s := open(t, dir)
	if !bytes.HasPrefix(read(t, dir), header()) {
		t.Errorf("the file still begins with %.20q", read(t, dir))
	}
	second := instance(2, "two")
	incarnation, err := registry.ParseIncarnation("7-9f86d081")
	if err != nil {
		t.Fatal(err)
	}
	second.Instance.Incarnation, second.Instance.Sequence = incarnation, 3
	save(t, s, second)
	loaded := reopened(t, s)
	if i := loaded[instance(1, "").Key]; i == nil || i.Weight != 7 || i.Lease != 90*time.Second || !i.Incarnation.IsZero() {
		t.Errorf("the instance of the old file is %+v", i)
	}
	if i := loaded[second.Key]; i == nil || i.Incarnation != incarnation || i.Sequence != 3 {
		t.Errorf("the new instance is %+v", i)
	}
}

// TestSecondFormat reads what a release without networks and orders wrote.
func TestSecondFormat(t *testing.T) {
	old := appendFrame([]byte("doyen instances 2\n"), []byte(`[{"service":"users","address":"10.0.0.1:9211","weight":7,"state":"healthy","lease":90000000000,"incarnation":"7-9f86d081","sequence":3}]`))
	if i := stored(t, folder(t, old))[instance(1, "").Key]; i == nil || i.Weight != 7 || i.Sequence != 3 {
		t.Errorf("the instance of the old file is %+v", i)
	}
}

// TestOrdersAreStored: an order is there again after a restart and after the log was written anew, also when its
// instance is gone, until it is taken back.
func TestOrdersAreStored(t *testing.T) {
	s := open(t, t.TempDir())
	ordered := registry.Order{On: true, Reason: "new disk", Version: 3}
	there, away, elsewhere := instance(1, "one"), gone(2), instance(1, "one")
	there.Order, away.Order = ordered, ordered
	elsewhere.Network = "east"
	i := *elsewhere.Instance
	i.Key = elsewhere.Key
	elsewhere.Instance = &i
	save(t, s, there, away, elsewhere)
	if err := s.writeAnew(); err != nil {
		t.Fatal(err)
	}
	for _, takenBack := range []bool{false, true} {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, s.dir)
		loaded, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		orders := map[registry.Key]registry.Order{}
		for _, c := range loaded {
			orders[c.Key] = c.Order
		}
		want := map[registry.Key]registry.Order{there.Key: ordered, away.Key: ordered, elsewhere.Key: {}}
		if takenBack {
			delete(want, away.Key)
		}
		if !maps.Equal(orders, want) {
			t.Errorf("orders are %v, want %v", orders, want)
		}
		if !takenBack {
			save(t, s, gone(2))
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestFolderHasOneServer(t *testing.T) {
	s := open(t, t.TempDir())
	_, err := Open(s.dir, nil)
	if err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("the second got %v, want to be told who has it", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := open(t, s.dir).Close(); err != nil {
		t.Error(err)
	}
}

func TestFolderCannotBeUsed(t *testing.T) {
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(filepath.Join(blocked, "data"), nil); err == nil || !strings.Contains(err.Error(), "data folder") {
		t.Errorf("got %v, want an error about the data folder", err)
	}
}

func TestLogStaysShort(t *testing.T) {
	s := open(t, t.TempDir())
	s.slack, s.rewrite = 16<<10, 16<<10
	long := strings.Repeat("x", 200)
	for range 400 {
		save(t, s, instance(1, long), instance(2, long))
		save(t, s, instance(1, "short"))
	}
	if s.end > 20<<10 {
		t.Errorf("the log has %d bytes for two instances", s.end)
	}
	same(t, reopened(t, s), of(instance(1, "short"), instance(2, long)))
}

func read(t *testing.T, dir string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, logName))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// folder returns a data folder whose log has content.
func folder(t testing.TB, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, logName), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLogStaysShortOverRestarts: what a restart finds in the log counts as grown, however often it restarts.
func TestLogStaysShortOverRestarts(t *testing.T) {
	dir, longest := t.TempDir(), 0
	for restart := range 8 {
		s := open(t, dir)
		for n := range 4 {
			save(t, s, instance(1, strings.Repeat(strconv.Itoa(restart*10+n), 100<<10)))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, len(read(t, dir)))
	}
	if most := slack + 4*(300<<10); longest > most {
		t.Errorf("the log of one instance grew to %d bytes: want at most %d", longest, most)
	}
}

// TestGoodbyesSurvive also when the log is written anew, until they are to be forgotten.
func TestGoodbyesSurvive(t *testing.T) {
	s := open(t, t.TempDir())
	incarnation, err := registry.ParseIncarnation("7-9f86d081")
	if err != nil {
		t.Fatal(err)
	}
	departed := func(n int) registry.Change {
		return registry.Change{Key: instance(n, "").Key, Departed: incarnation}
	}
	save(t, s, instance(1, "one"), instance(2, "one"), instance(3, "one"))
	save(t, s, departed(1), departed(2), departed(3))
	save(t, s, gone(2), instance(3, "two"))
	want := map[registry.Key]bool{departed(1).Key: true, departed(3).Key: false}
	for range 2 {
		if err := s.writeAnew(); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, s.dir)
		loaded, err := s.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		got := map[registry.Key]bool{}
		for _, c := range loaded {
			got[c.Key] = c.Instance == nil && c.Departed == incarnation
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b registry.Key) bool { return a == b })); diff != "" {
			t.Errorf("which instances departed (-want +got):\n%s", diff)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
