package source

import (
	"context"
	"os"
	"testing"
	"time"
)

// Where the system tells of changes, nobody waits for the next look: here that is an hour away.
func TestHints(t *testing.T) {
	f := newFolder(t, "a", "b", "c")
	next := newFolder(t, "a", "b", "c", "next")
	link := f.dir + ".link"
	f.check(os.Symlink(f.dir, link))
	f.dir = link

	o := f.options()
	o.Poll, o.Settle = time.Hour, time.Millisecond
	source, err := Open(o)
	f.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- source.Run(ctx) }()
	defer func() {
		cancel()
		f.check(<-done)
	}()
	// The watch begins some time after Run does: until then a change is repeated.
	for start := time.Now(); services(source) != "a b c first"; {
		if time.Since(start) > 10*time.Second {
			t.Fatal("no hint at all")
		}
		f.service("first")
		f.check(os.Chtimes(f.path("first.yaml"), time.Time{}, time.Now()))
		time.Sleep(time.Millisecond)
	}

	for _, step := range []struct {
		name   string
		change func()
		want   string
	}{
		{"write", func() { f.write("first.yaml", manifest("second")) }, "a b c second"},
		{"new subfolder", func() { f.check(os.Mkdir(f.path("team"), 0o755)); f.write("team/d.yaml", manifest("d")) }, "a b c d second"},
		{"rename over", func() {
			f.write(".new", manifest("third"))
			f.check(os.Rename(f.path(".new"), f.path("first.yaml")))
		}, "a b c d third"},
		{"delete", func() { f.remove("team/d.yaml") }, "a b c third"},
		{"another link", func() {
			f.check(os.Symlink(next.dir, link+".new"))
			f.check(os.Rename(link+".new", link))
		}, "a b c next"},
		{"write behind the other link", func() { f.service("z") }, "a b c next z"},
	} {
		await(t, source, step.name, step.change, step.want)
	}
}

func await(t *testing.T, source *Folder, name string, change func(), want string) {
	t.Helper()
	change()
	deadline := time.After(10 * time.Second)
	for {
		state := source.State()
		if services(source) == want {
			return
		}
		select {
		case <-state.Changed():
		case <-deadline:
			t.Fatalf("%s: in force are %q: want %q; state %+v", name, services(source), want, source.State())
		}
	}
}
