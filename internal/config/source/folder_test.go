package source

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is a folder of documents under test.
type folder struct {
	t     *testing.T
	dir   string
	state string

	instances func(mesh.ServiceName) int
}

func newFolder(t *testing.T, services ...string) *folder {
	t.Helper()
	base := t.TempDir()
	f := &folder{t: t, dir: filepath.Join(base, "documents"), state: filepath.Join(base, "state")}
	f.check(os.Mkdir(f.dir, 0o755))
	for _, s := range services {
		f.service(s)
	}
	return f
}

func (f *folder) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func manifest(name string) string { return fmt.Sprintf("kind: Service\nname: %s\nports: 8080\n", name) }

func (f *folder) path(name string) string { return filepath.Join(f.dir, name) }

func (f *folder) write(name, text string) {
	f.t.Helper()
	f.check(os.MkdirAll(filepath.Dir(f.path(name)), 0o755))
	f.check(os.WriteFile(f.path(name), []byte(text), 0o644))
}

func (f *folder) service(name string) { f.t.Helper(); f.write(name+".yaml", manifest(name)) }

func (f *folder) remove(names ...string) {
	f.t.Helper()
	for _, name := range names {
		f.check(os.RemoveAll(f.path(name)))
	}
}

func (f *folder) options() Options {
	return Options{Folder: f.dir, State: f.state, Instances: f.instances, Log: slog.New(slog.DiscardHandler)}
}

// open opens the folder and follows it by reading alone until the test ends.
func (f *folder) open() *Folder {
	f.t.Helper()
	source, _ := f.openHinted()
	return source
}

// openHinted is open with hints, which the test gives in the place of the system.
func (f *folder) openHinted() (*Folder, *hints) {
	f.t.Helper()
	source, err := Open(f.options())
	f.check(err)
	ctx, cancel := context.WithCancel(f.t.Context())
	done, h := make(chan error), newHints()
	go func() { done <- source.follow(ctx, h) }()
	f.t.Cleanup(func() {
		cancel()
		f.check(<-done)
	})
	return source, h
}

// services are the names of the services in force.
func services(f *Folder) string {
	snapshot, _ := f.Accepted()
	if snapshot == nil {
		return ""
	}
	var all []string
	for name := range snapshot.Documents.Services.Keys() {
		all = append(all, string(name))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

func expect(t *testing.T, f *Folder, want string) {
	t.Helper()
	if got := services(f); got != want {
		t.Fatalf("in force are services %q: want %q; state %+v", got, want, f.State())
	}
}

// wait lets time pass for a poll and the settling after it.
func wait() {
	time.Sleep(6 * time.Second)
	synctest.Wait()
}

func TestChanges(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*folder)
		want   string
	}{
		{"a file is added", func(f *folder) { f.service("d") }, "a b c d"},
		{"a file in a new subfolder is added", func(f *folder) { f.write("team/d.yml", manifest("d")) }, "a b c d"},
		{"a file is renamed over another", func(f *folder) {
			f.write("new.tmp", manifest("x"))
			f.check(os.Rename(f.path("new.tmp"), f.path("c.yaml")))
		}, "a b x"},
		{"a file is deleted", func(f *folder) { f.remove("c.yaml") }, "a b"},
		{"a file is moved", func(f *folder) { f.check(os.Rename(f.path("c.yaml"), f.path("z.yaml"))) }, "a b c"},
		{"files that are no documents appear", func(f *folder) {
			f.write(".d.yaml.swp", "vim")
			f.write(".d.yaml", manifest("d"))
			f.write("d.yaml~", manifest("d"))
			f.write("4913", "")
			f.write(".git/d.yaml", manifest("d"))
			f.write("notes.txt", "not: [yaml")
			f.check(os.Symlink("user@host.1234", f.path(".#d.yaml")))
		}, "a b c"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFolder(t, "a", "b", "c")
				source := f.open()
				expect(t, source, "a b c")
				test.change(f)
				wait()
				expect(t, source, test.want)
				if s := source.State(); s.Problems != nil || s.Held != nil || s.Err != nil {
					t.Errorf("state %+v: want nothing wrong", s)
				}
			})
		})
	}
}

// A file that is written in two steps reads as another, valid document after the first.
func TestHalfWrittenFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c")
		source := f.open()
		_, replaced := source.Accepted()
		f.write("c.yaml", "kind: Service\nname: c")
		for i := range 200 { // the writer never rests longer than 90 ms, over several polls
			time.Sleep(90 * time.Millisecond)
			f.write("c.yaml", "kind: Service\nname: c"+strings.Repeat("c", 1+i%50))
			expect(t, source, "a b c")
		}
		select {
		case <-replaced:
			t.Fatal("a folder was accepted while it was being written")
		default:
		}
		if err := source.State().Err; err == nil || !strings.Contains(err.Error(), "c.yaml is still being written") {
			t.Errorf("error %v: want one that says why nothing is taken", err)
		}
		f.write("c.yaml", manifest("complete"))
		wait()
		expect(t, source, "a b complete")
		if err := source.State().Err; err != nil {
			t.Errorf("error %v: want none", err)
		}
	})
}

func TestProblemsKeepTheLastGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c")
		source := f.open()
		_, replaced := source.Accepted()
		changed := source.State().Changed()

		f.write("b.yaml", "kind: Service\nname: b\nports: 99999\n")
		wait()
		expect(t, source, "a b c")
		s := source.State()
		if len(s.Problems) != 1 || s.Problems[0].Origin.String() != "b.yaml:3:8" {
			t.Errorf("problems %v: want one at b.yaml:3:8", s.Problems)
		}
		closed(t, changed, true)
		closed(t, replaced, false)

		f.service("b")
		wait()
		if s := source.State(); s.Problems != nil {
			t.Errorf("problems %v: want none", s.Problems)
		}
	})
}

func closed(t *testing.T, c <-chan struct{}, want bool) {
	t.Helper()
	got := false
	select {
	case <-c:
		got = true
	default:
	}
	if got != want {
		t.Errorf("channel closed is %t: want %t", got, want)
	}
}

func TestUnreadableFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b")
		source := f.open()
		f.check(os.Rename(f.dir, f.dir+".away"))
		wait()
		expect(t, source, "a b")
		if err := source.State().Err; err == nil || !strings.Contains(err.Error(), f.dir) {
			t.Errorf("error %v: want one that names %s", err, f.dir)
		}
		f.check(os.Rename(f.dir+".away", f.dir))
		wait()
		expect(t, source, "a b")
		if err := source.State().Err; err != nil {
			t.Errorf("error %v: want none", err)
		}
	})
}

func TestNotAFolder(t *testing.T) {
	f := newFolder(t)
	f.service("a")
	for _, dir := range []string{f.path("nowhere"), f.path("a.yaml")} {
		o := f.options()
		o.Folder = dir
		if _, err := Open(o); err == nil || !strings.Contains(err.Error(), dir) {
			t.Errorf("open %s: error %v: want one that names it", dir, err)
		}
	}
}

// A first folder with problems is no error: it will be mended.
func TestProblemsFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		source := f.open()
		if s := source.State(); s.Snapshot != nil || len(s.Problems) != 1 {
			t.Fatalf("state %+v: want no snapshot and the problem of an empty folder", s)
		}
		f.service("a")
		wait()
		expect(t, source, "a")
	})
}

// What stays in force is logged as it is: the revision accepted last, or nothing.
func TestLogSaysWhatIsInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		var log strings.Builder
		o := f.options()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		f.write("a.yaml", "kind: Service\n")
		_, err := Open(o)
		f.check(err)
		if !strings.Contains(log.String(), "in_force=nothing") {
			t.Errorf("log of a first start: %swant in_force=nothing", &log)
		}

		f.service("a")
		accepted, err := Open(o)
		f.check(err)
		log.Reset()
		f.write("a.yaml", "kind: Service\n")
		_, err = Open(o)
		f.check(err)
		if want := "in_force=" + string(accepted.State().Snapshot.Revision); !strings.Contains(log.String(), want) {
			t.Errorf("log of a later start: %swant %s", &log, want)
		}
	})
}

// TestLogNamesFilesThatAreNotRead has a document in a JSON file.
func TestLogNamesFilesThatAreNotRead(t *testing.T) {
	f := newFolder(t, "a")
	f.write("b.json", `{"kind": "Service", "name": "b", "ports": [8080]}`)
	var log strings.Builder
	o := f.options()
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	_, err := Open(o)
	f.check(err)
	if !strings.Contains(log.String(), "file=b.json") {
		t.Errorf("the log does not name b.json: %s", &log)
	}
}

// Trouble that is logged is logged when it is over, too.
func TestLogSaysThatTroubleIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a")
		var log strings.Builder
		o := f.options()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		source, err := Open(o)
		f.check(err)
		log.Reset()
		for _, step := range []struct{ from, to, want string }{
			{f.dir, f.dir + ".away", "documents cannot be read"},
			{f.dir + ".away", f.dir, "documents are read and kept again"},
		} {
			f.check(os.Rename(step.from, step.to))
			source.poll()
			source.poll()
			source.settle()
			if n := strings.Count(log.String(), step.want); n != 1 {
				t.Errorf("log: %swant once %q", &log, step.want)
			}
		}
	})
}

// The way in which Kubernetes replaces the files of a ConfigMap: all at once, by one link.
func TestConfigMap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("..1/a.yaml", manifest("a"))
		f.check(os.Symlink("..1", f.path("..data")))
		f.check(os.Symlink("..data/a.yaml", f.path("a.yaml")))
		source := f.open()
		expect(t, source, "a")

		f.write("..2/a.yaml", manifest("a")+"---\n"+manifest("b"))
		f.check(os.Symlink("..2", f.path("..tmp")))
		f.check(os.Rename(f.path("..tmp"), f.path("..data")))
		f.remove("..1")
		wait()
		expect(t, source, "a b")
	})
}

// A link to a release, replaced by the next one.
func TestLinkedFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a")
		next := newFolder(t, "a", "b")
		link := f.dir + ".link"
		f.check(os.Symlink(f.dir, link))
		f.dir = link
		source := f.open()
		expect(t, source, "a")
		f.check(os.Symlink(next.dir, link+".new"))
		f.check(os.Rename(link+".new", link))
		wait()
		expect(t, source, "a b")
	})
}

func TestMassRemoval(t *testing.T) {
	all := []string{"a", "b", "c", "d"}
	t.Run("half may go", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t, all...)
			source := f.open()
			f.remove("a.yaml", "b.yaml")
			wait()
			expect(t, source, "c d")
		})
	})
	t.Run("more is held until it is accepted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t, all...)
			source := f.open()
			f.remove("a.yaml", "b.yaml", "d.yaml")
			wait()
			expect(t, source, "a b c d")
			held := source.State().Held
			if held == nil {
				t.Fatal("nothing is held")
			}
			if want := []string{"service a", "service b", "service d"}; !slices.Equal(held.Removes, want) {
				t.Errorf("removes %q: want %q", held.Removes, want)
			}
			if want := "it would remove 3 of 4 services"; held.Reason != want {
				t.Errorf("reason %q: want %q", held.Reason, want)
			}
			if err := source.Accept("other"); err == nil || !strings.Contains(err.Error(), string(held.Snapshot.Revision)) {
				t.Errorf("accept of another revision: error %v: want one that names the held one", err)
			}
			expect(t, source, "a b c d")
			f.check(source.Accept(held.Snapshot.Revision))
			expect(t, source, "c")
			if source.State().Held != nil {
				t.Error("still held")
			}
			if err := source.Accept(held.Snapshot.Revision); err == nil {
				t.Error("accept of what is not held any more: want an error")
			}
		})
	})
	t.Run("what comes back is not held any more", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t, all...)
			source := f.open()
			f.remove("a.yaml", "b.yaml", "d.yaml")
			wait()
			revision := source.State().Held.Snapshot.Revision
			f.service("a")
			f.service("b")
			wait()
			expect(t, source, "a b c")
			if err := source.Accept(revision); err == nil {
				t.Error("accept: want an error")
			}
		})
	})
	t.Run("an edge and an external count by themselves", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t, all...)
			f.write("edge.yaml", "kind: Edge\nname: public\nlisteners: 8000\nroutes: {to: a}\n")
			f.write("db.yaml", "kind: External\nname: db\nprotocol: tcp\nhost: db.example.com\nport: 5432\n")
			source := f.open()
			f.remove("edge.yaml", "db.yaml")
			wait()
			held := source.State().Held
			if held == nil || held.Reason != "it would remove 1 of 1 edges and 1 of 1 externals" {
				t.Errorf("held %+v: want the edge and the external", held)
			}
		})
	})
}

func TestAcceptAfterTheEnd(t *testing.T) {
	f := newFolder(t, "a")
	source, err := Open(f.options())
	f.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.check(source.Run(ctx))
	if err := source.Accept(mesh.Revision("any")); err == nil {
		t.Error("want an error")
	}
}
