package source

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/doyen-mesh/doyen/internal/config"
)

func TestRestart(t *testing.T) {
	for _, test := range []struct {
		name     string
		meantime func(*folder)
		want     string
		check    func(State) bool
	}{
		{"nothing changed", func(*folder) {}, "a b c",
			func(s State) bool { return s.Problems == nil && s.Held == nil && s.Err == nil }},
		{"a service came", func(f *folder) { f.service("d") }, "a b c d",
			func(s State) bool { return s.Problems == nil && s.Held == nil && s.Err == nil }},
		{"the folder broke", func(f *folder) { f.write("b.yaml", "kind: [") }, "a b c",
			func(s State) bool { return len(s.Problems) == 1 }},
		{"the folder was emptied", func(f *folder) { f.remove("a.yaml", "b.yaml", "c.yaml") }, "a b c",
			func(s State) bool { return len(s.Problems) == 1 }},
		{"the folder went away", func(f *folder) { f.check(os.RemoveAll(f.dir)) }, "a b c",
			func(s State) bool { return s.Err != nil }},
		{"most of the mesh was removed", func(f *folder) { f.remove("a.yaml", "b.yaml") }, "a b c",
			func(s State) bool { return s.Held != nil && len(s.Held.Removes) == 2 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := newFolder(t, "a", "b", "c")
			_, err := Open(f.options())
			f.check(err)
			test.meantime(f)
			source, err := Open(f.options())
			f.check(err)
			expect(t, source, test.want)
			if s := source.State(); !test.check(s) {
				t.Errorf("state %+v", s)
			}
		})
	}
}

// An accepted removal is the new measure, over a restart too.
func TestRestartAfterAcceptedRemoval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a", "b", "c")
		source := f.open()
		f.remove("a.yaml", "b.yaml")
		wait()
		f.check(source.Accept(source.State().Held.Snapshot.Revision))
		again, err := Open(f.options())
		f.check(err)
		expect(t, again, "c")
	})
}

// Documents that a later release refuses still say what there was.
func TestRestartWithRefusedCopy(t *testing.T) {
	f := newFolder(t, "a")
	var remembered names
	for _, name := range []string{"x", "y", "z"} {
		remembered[0] = remembered[0].With(name, struct{}{})
	}
	s := store{dir: f.state}
	f.check(s.save(&accepted{names: remembered, files: config.Files{"x.yaml": []byte("kind: Gone\n")}.Texts()}))
	source, err := Open(f.options())
	f.check(err)
	expect(t, source, "")
	if held := source.State().Held; held == nil || held.Reason != "it would remove 3 of 3 services" {
		t.Errorf("held %+v: want the removal of all three", held)
	}
}

// A copy that was written by the release before the format changed is read, with all that it says, and the next save
// replaces it.
func TestRestartWithCopyOfFormerFormat(t *testing.T) {
	f := newFolder(t, "a", "b", "c")
	_, err := Open(f.options())
	f.check(err)
	last, err := (&store{dir: f.state}).load()
	f.check(err)
	last.peaks[0] = []peak{{9, last.at}}
	f.write("b.yaml", "kind: [")
	f.check(os.WriteFile(stateFile(f.state), formerCopy(t, last), 0o600))

	former, err := (&store{dir: f.state}).load()
	f.check(err)
	if got, want := contents(former), contents(last); got != want {
		t.Errorf("the former copy has\n%s\nwant\n%s", got, want)
	}
	source, err := Open(f.options())
	f.check(err)
	expect(t, source, "a b c")
	f.service("b")
	f.service("d")
	source, err = Open(f.options())
	f.check(err)
	expect(t, source, "a b c d")
	text, err := os.ReadFile(stateFile(f.state))
	f.check(err)
	if !strings.HasPrefix(string(text), `{"format":2,`) {
		t.Errorf("the copy is still %.20s", text)
	}
}

// formerCopy returns a copy as it was written before changes were appended to it: one object, with all names.
func formerCopy(t *testing.T, a *accepted) []byte {
	t.Helper()
	files := map[string][]byte{}
	for name, text := range a.files.All() {
		files[name] = []byte(text)
	}
	list := func(n nameSet) []string { return slices.Sorted(n.Keys()) }
	text, err := json.Marshal(map[string]any{
		"format": 1, "accepted": a.at, "revision": a.revision, "peaks": a.peaks, "files": files,
		"names": map[string]any{"services": list(a.names[0]), "edges": list(a.names[1]), "externals": list(a.names[2])},
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestStoredCopyThatIsNone(t *testing.T) {
	for name, text := range map[string]string{
		"cut off": `{"format":2,`, "later format": `{"format":3}`, "a broken record before another": "{\"format\":2}\n{\n{\"format\":2}\n",
		"a whole copy after a change": "{\"format\":2}\n{\"format\":1}\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := newFolder(t, "a")
			f.check(os.Mkdir(f.state, 0o700))
			f.check(os.WriteFile(stateFile(f.state), []byte(text), 0o600))
			if _, err := Open(f.options()); err == nil || !strings.Contains(err.Error(), stateFile(f.state)) {
				t.Errorf("error %v: want one that names the file", err)
			}
		})
	}
}

// Where nothing can be kept, documents are in force all the same; it is said, and tried again.
func TestStoreThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFolder(t, "a")
		source := f.open()
		f.check(os.RemoveAll(f.state))
		f.check(os.WriteFile(f.state, []byte("a file where the folder should be"), 0o600))
		f.service("b")
		wait()
		expect(t, source, "a b")
		if err := source.State().Err; err == nil || !strings.Contains(err.Error(), f.state) {
			t.Errorf("error %v: want one that names %s", err, f.state)
		}
		f.check(os.Remove(f.state))
		wait()
		if err := source.State().Err; err != nil {
			t.Errorf("error %v: want none", err)
		}
		f.check(os.RemoveAll(f.dir))
		again, err := Open(f.options())
		f.check(err)
		expect(t, again, "a b")
	})
}
