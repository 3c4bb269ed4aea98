package config

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

var update = flag.Bool("update", false, "rewrite golden files")

// Each file under testdata/problems is a folder of documents and, as want, all problems of it as a
// terminal shows them.
func TestProblems(t *testing.T) {
	names, err := filepath.Glob("testdata/problems/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files, want := folder(archive)
			snapshot, problems := Parse(files)
			if snapshot != nil {
				t.Error("a folder with problems has a snapshot")
			}
			var got bytes.Buffer
			if err := yamldoc.Render(&got, problems, yamldoc.Style{}); err != nil {
				t.Fatal(err)
			}
			if *update {
				want.Data = got.Bytes()
				if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(string(want.Data), got.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

// folder returns the documents of an archive, and the file that holds what is expected of them.
func folder(archive *txtar.Archive) (files Files, want *txtar.File) {
	files = Files{}
	for i, f := range archive.Files {
		if f.Name == "want" {
			want = &archive.Files[i]
			continue
		}
		files[f.Name] = f.Data
	}
	return files, want
}
