package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// Whatever a file holds, the decoder either takes it, and then what it took can be written and read as
// the same, or says what is wrong at places that exist.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/problems/*.txtar", shop + "/*.yaml"} {
		names, err := filepath.Glob(pattern)
		if err != nil || len(names) == 0 {
			f.Fatalf("no seeds in %s: %v", pattern, err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
			for _, file := range txtar.Parse(text).Files {
				f.Add(file.Data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, problems := Parse(Files{"fuzz.yaml": text})
		again, problemsAgain := Parse(Files{"fuzz.yaml": text})
		if diff := cmp.Diff(problems, problemsAgain); diff != "" {
			t.Errorf("not the same problems twice:\n%s", diff)
		}
		if (s == nil) == (problems == nil) {
			t.Fatalf("snapshot %v and problems %v: want one of them", s, problems)
		}
		if s != nil {
			if again.Revision != s.Revision {
				t.Errorf("revisions %s and %s of the same text", s.Revision, again.Revision)
			}
			if diff := cmp.Diff(meaning(t, s), meaningOf(t, written(t, s))); diff != "" {
				t.Errorf("documents are not kept (-before +after):\n%s", diff)
			}
			return
		}
		lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
		for _, p := range problems {
			checkPlace(t, p, lines)
		}
	})
}

func checkPlace(t *testing.T, p Problem, lines []string) {
	t.Helper()
	if p.Message == "" || p.Origin.File != "fuzz.yaml" || p.Origin.Line > len(lines) {
		t.Errorf("problem %+v of a file of %d lines", p, len(lines))
	}
	if p.Source == "" {
		return
	}
	if width := utf8.RuneCountInString(lines[p.Origin.Line-1]); p.Origin.Column > width+1 {
		t.Errorf("problem %+v: the line has %d columns", p, width)
	}
}
