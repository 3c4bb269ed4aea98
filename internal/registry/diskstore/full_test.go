package diskstore

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestFullDisk: a server whose file cannot grow refuses what is new and says why, serves
// what it has, lets instances leave, and goes on by itself when there is room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	server := startChild(t, dir)
	server.limit(4000)
	known := 0
	var err error
	for ; err == nil && known < 1000; known++ {
		_, err = server.CheckIn(t.Context(), *instance(known, "x").Instance)
	}
	known-- // the last one was refused
	var refused *httpapi.Refused
	if !errors.As(err, &refused) || refused.Status != http.StatusInsufficientStorage || !strings.Contains(refused.Answer.Hint, "make room") || !refused.Temporary() {
		t.Fatalf("with a full disk: %v, want 507 and what to do", err)
	}
	if text := refused.Answer.Error; !strings.Contains(text, "no room left: "+dir+": write") {
		t.Errorf("error %q, want it to say what failed where", text)
	}
	if known < 5 {
		t.Fatalf("the disk was full after %d instances: this test tests nothing", known)
	}
	wantSize(t, server, known)
	if _, err := server.CheckIn(t.Context(), *instance(0, "x").Instance); err != nil {
		t.Errorf("a renewal with a full disk: %v", err)
	}
	if _, err := server.Leave(t.Context(), instance(1, "x").Key, registry.Incarnation{}, 0); err != nil {
		t.Errorf("leaving with a full disk: %v", err)
	}
	wantSize(t, server, known-1)

	server.limit(1 << 40)
	if _, err := server.CheckIn(t.Context(), *instance(known, "x").Instance); err != nil {
		t.Errorf("a new instance when there is room again: %v", err)
	}
	server.kill()
	server.forget()
	has := stored(t, dir)
	if len(has) != known || has[instance(known, "").Key] == nil || has[instance(1, "").Key] != nil {
		t.Errorf("%d instances are stored, want %d: those that were answered, without the one that left", len(has), known)
	}
}

func wantSize(t *testing.T, server *child, want int) {
	t.Helper()
	listed, err := server.Instances(t.Context(), "users")
	if err != nil || len(listed.Instances) != want {
		t.Errorf("%d instances are listed, %v, want %d", len(listed.Instances), err, want)
	}
}

// flaky is a disk that fails when it is told to.
type flaky struct {
	file
	failing *faults
}

type faults struct{ write, sync, truncate bool }

var errFault = errors.New("the disk is on fire")

func (f flaky) Write(p []byte) (int, error) {
	if f.failing.write {
		n, _ := f.file.Write(p[:len(p)/2]) // some of it arrives
		return n, errFault
	}
	return f.file.Write(p)
}

func (f flaky) Sync() error {
	if f.failing.sync {
		return errFault
	}
	return f.file.Sync()
}

func (f flaky) Truncate(size int64) error {
	if f.failing.truncate {
		return errFault
	}
	return f.file.Truncate(size)
}

// TestFailingDisk: after a failure the file holds what was saved, whatever failed, and
// the store goes on once the disk does.
func TestFailingDisk(t *testing.T) {
	for name, fail := range map[string]faults{
		"write":               {write: true},
		"write, and its undo": {write: true, truncate: true},
		"flush":               {sync: true},
		"everything":          {true, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			var now faults
			s, err := openWith(t.TempDir(), nil, func(name string, flag int) (file, error) {
				f, err := openFile(name, flag)
				return flaky{f, &now}, err
			})
			if err != nil {
				t.Fatal(err)
			}
			save(t, s, instance(1, "one"))
			for range 3 {
				now = fail
				if err := s.Save(t.Context(), []registry.Change{instance(1, "lost"), instance(2, "lost")}); !errors.Is(err, errFault) {
					t.Fatalf("got %v, want the disk's error", err)
				}
			}
			now = faults{}
			save(t, s, instance(3, "one"))
			save(t, s, instance(4, "one"))
			same(t, reopened(t, s), of(instance(1, "one"), instance(3, "one"), instance(4, "one")))
		})
	}
}

// TestLogThatCannotBeShortened goes on as it is, and says so.
func TestLogThatCannotBeShortened(t *testing.T) {
	refuse := false
	s, err := openWith(t.TempDir(), nil, func(name string, flag int) (file, error) {
		if refuse {
			return nil, errFault
		}
		return openFile(name, flag)
	})
	if err != nil {
		t.Fatal(err)
	}
	s.slack, s.rewrite = 1<<10, 1<<10
	refuse = true
	for range 100 {
		save(t, s, instance(1, "one"))
	}
	long := s.end
	refuse = false
	for range 10 {
		save(t, s, instance(2, "one"))
	}
	if s.end >= long {
		t.Errorf("the log has %d bytes, and %d when it could not be shortened", s.end, long)
	}
	same(t, reopened(t, s), of(instance(1, "one"), instance(2, "one")))
}
