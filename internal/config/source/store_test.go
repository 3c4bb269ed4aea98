package source

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// contents are what a store is to give back of an accepted folder.
func contents(a *accepted) string {
	text := fmt.Sprint(a.at.UTC(), a.revision, a.peaks, maps.Collect(a.files.All()))
	for _, n := range a.names {
		text += fmt.Sprint(maps.Collect(n.All()))
	}
	return text
}

// TestStoreGivesBackWhatWasSavedLast saves folders that change at random. Another process finds the last of them, also
// when a record after it was cut off.
func TestStoreGivesBackWhatWasSavedLast(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	s, a := store{dir: t.TempDir()}, &accepted{}
	for step := range 200 {
		next := *a
		next.at, next.revision = time.Unix(int64(step), 0).UTC(), "r"
		next.peaks[0] = []peak{{step, next.at}}
		for range random.IntN(4) {
			name, kind := fmt.Sprint("s", random.IntN(20)), random.IntN(len(kinds))
			if random.IntN(3) == 0 {
				next.files, next.names[kind] = next.files.Without(name), next.names[kind].Without(name)
			} else {
				next.files, next.names[kind] = next.files.With(name, fmt.Sprint("text ", step)), next.names[kind].With(name, struct{}{})
			}
		}
		a = &next
		if err := s.save(a); err != nil {
			t.Fatal(err)
		}
		if step%50 == 49 {
			cutOff(t, &s, a)
		}
		last, err := (&store{dir: s.dir}).load()
		if err != nil {
			t.Fatal(err)
		}
		if got, want := contents(last), contents(a); got != want {
			t.Fatalf("step %d: the store has\n%s\nwant\n%s", step, got, want)
		}
	}
}

// cutOff leaves half a record after the last one, as a crash does, and continues with a store that knows of nothing.
func cutOff(t *testing.T, s *store, a *accepted) {
	t.Helper()
	text, err := a.since(&accepted{}).line()
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(stateFile(s.dir), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.Write(text[:len(text)/2]); err != nil {
		t.Fatal(err)
	}
	*s = store{dir: s.dir}
}

// TestSavingFollowsChange changes one document again and again. What is written for it does not depend on how many others
// there are, and the file does not grow beyond a bound.
func TestSavingFollowsChange(t *testing.T) {
	for _, size := range []int{10, 2000} {
		files := config.Texts{}
		for i := range size {
			files = files.With(fmt.Sprint(i), fmt.Sprintf("%0300d", i))
		}
		s := store{dir: t.TempDir()}
		appended, whole := 0, 0
		for i := range 100 {
			before := s
			if err := s.save(&accepted{files: files.With("5", fmt.Sprintf("%0300d", -i))}); err != nil {
				t.Fatal(err)
			}
			switch {
			case s.size <= before.size || before.saved == nil:
				whole++
			case s.size-before.size > 1000:
				t.Fatalf("of %d documents: %d bytes were written for one", size, s.size-before.size)
			default:
				appended++
			}
			if info, err := os.Stat(stateFile(s.dir)); err != nil || info.Size() != int64(s.size) || s.size > 2*s.first+1000 {
				t.Fatalf("of %d documents: the file has %v bytes, %v: want %d, and not much more than 2*%d", size, info.Size(), err, s.size, s.first)
			}
		}
		if appended < 80 {
			t.Errorf("of %d documents: %d times one was written, %d times all", size, appended, whole)
		}
	}
}

// TestStoreWhoseFileIsReplaced saves into a folder whose file somebody removed or wrote to.
func TestStoreWhoseFileIsReplaced(t *testing.T) {
	for name, change := range map[string]func(file string) error{
		"removed": os.Remove,
		"written": func(file string) error { return os.WriteFile(file, []byte("nothing\n"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			s := store{dir: t.TempDir()}
			files := config.Texts{}.With("a", "first").With("b", "text")
			if err := s.save(&accepted{files: files}); err != nil {
				t.Fatal(err)
			}
			if err := change(stateFile(s.dir)); err != nil {
				t.Fatal(err)
			}
			want := &accepted{files: files.With("a", "second")}
			if err := s.save(want); err != nil {
				t.Fatal(err)
			}
			last, err := (&store{dir: s.dir}).load()
			if err != nil || contents(last) != contents(want) {
				t.Errorf("the store has %v, %v", last, err)
			}
		})
	}
}
