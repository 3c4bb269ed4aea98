package source

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Somebody edits another document every 90 ms, without a pause: each edit takes effect within a bound, and nobody is
// told that documents cannot be read.
func TestSteadyEditsDoNotStarve(t *testing.T) {
	for _, ending := range []string{"\n", ""} { // what ends with a line is believed sooner
		synctest.Test(t, func(t *testing.T) {
			f := newFolder(t, "first")
			source, h := f.openHinted()
			for i := range 100 {
				name := fmt.Sprintf("s%d", i)
				f.write(name+".yaml", strings.TrimSuffix(manifest(name), "\n")+ending)
				h.add(name + ".yaml")
				time.Sleep(90 * time.Millisecond)
				synctest.Wait()
				if err := source.State().Err; err != nil {
					t.Fatalf("error %v: want none", err)
				}
				if i < 15 {
					continue
				}
				if late := fmt.Sprintf("s%d", i-15); !strings.Contains(services(source)+" ", late+" ") {
					t.Fatalf("%s is not in force %v after it was written", late, 15*90*time.Millisecond)
				}
			}
		})
	}
}

// An edit of a file that ends with a line, and that nobody has open, is in force at once.
func TestOneEditIsQuick(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a")
		source, h := f.openHinted()
		synctest.Wait() // the first reading must not see the file half written
		f.service("b")
		if !isClosed(f.path("b.yaml")) {
			t.Skip("the system does not say whether a file is open for writing")
		}
		h.add("b.yaml")
		time.Sleep(eventPause + closedRest)
		synctest.Wait()
		expect(t, source, "a b")
	})
}

// A file that its writer has open is not complete, however long the writer rests and whatever its text looks like.
func TestOpenFileIsNotTakenSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b")
		source, h := f.openHinted()
		file, err := os.Create(f.path("b.yaml"))
		f.check(err)
		for i := range 50 {
			_, err := file.WriteAt([]byte(manifest(fmt.Sprintf("half%d", i))), 0)
			f.check(err)
			h.add("b.yaml")
			time.Sleep(90 * time.Millisecond)
			synctest.Wait()
			expect(t, source, "a b")
		}
		f.check(file.Close())
		wait()
		expect(t, source, "a half49")
	})
}

// The first reading of a large folder leaves nothing behind that later edits pay for: a map that has held all of its files
// keeps their space.
func TestSettlerForgetsLargeFolders(t *testing.T) {
	s := settler{wait: map[string]pending{}, batch: time.Hour}
	for i := range 10_000 {
		s.note(fmt.Sprint(i, ".yaml"), &file{})
	}
	if _, done := s.settled(); !done {
		t.Fatal("nothing has settled")
	}
	if bytes := allocated(func() { s.note("1.yaml", nil); s.wait = maps.Clone(s.wait) }); bytes > 10_000 {
		t.Errorf("after 10,000 files, a copy of one waiting file takes %d bytes", bytes)
	}
}

// allocated returns how many bytes do allocates.
func allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A change that keeps size and time of a file that has just been read is found all the same.
func TestChangeThatKeepsSizeAndTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c")
		source := f.open()
		info, err := os.Stat(f.path("a.yaml"))
		f.check(err)
		f.write("a.yaml", manifest("x"))
		f.check(os.Chtimes(f.path("a.yaml"), info.ModTime(), info.ModTime()))
		wait()
		expect(t, source, "b c x")
	})
}

// Files that did not change are not read again.
func TestOnlyChangedFilesAreRead(t *testing.T) {
	f := newFolder(t, "a", "b", "c")
	old := time.Now().Add(-time.Hour)
	for _, name := range []string{"a.yaml", "b.yaml", "c.yaml"} {
		f.check(os.Chtimes(f.path(name), old, old))
	}
	tr := tree{dir: f.dir}
	var changed []string
	note := func(name string, _ *file) { changed = append(changed, name) }
	f.check(tr.scan(note))
	before := map[string]*file{}
	for name, read := range tr.files {
		before[name] = read
	}
	changed = nil
	f.service("b")
	f.check(tr.scan(note))
	if len(changed) != 1 || changed[0] != "b.yaml" {
		t.Errorf("changed are %q: want b.yaml alone", changed)
	}
	for _, name := range []string{"a.yaml", "c.yaml"} {
		if tr.files[name] != before[name] {
			t.Errorf("%s was read again", name)
		}
	}
}

// A server that starts while a folder is being written waits for all of it, although a part of it rests for long.
func TestFirstReadingWaitsForAllFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t)
		f.write("a.yaml", manifest("a")+"calls: b\n")
		f.service("b")
		old := time.Now().Add(-time.Hour) // as simulated time is long past, b's is in the future
		f.check(os.Chtimes(f.path("a.yaml"), old, old))
		source, err := Open(f.options())
		f.check(err)
		if s := source.State(); s.Problems != nil || s.Err != nil {
			t.Errorf("state %+v: want nothing wrong", s)
		}
		expect(t, source, "a b")
	})
}
