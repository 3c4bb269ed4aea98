package config

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// BenchmarkLoad reads and checks a folder of 200 documents, one a file, as doyen validate does.
func BenchmarkLoad(b *testing.B) {
	dir := b.TempDir()
	for name, text := range shopFiles(200) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, problems, err := LoadDir(dir); problems != nil || err != nil {
			b.Fatal(problems, err)
		}
	}
}

// BenchmarkEdit parses a folder of 5,000 documents in which one differs from the last time.
func BenchmarkEdit(b *testing.B) {
	var p Parser
	files := shopFiles(5000)
	if _, problems := p.Parse(files); problems != nil {
		b.Fatal(problems)
	}
	var name string
	for name = range files {
		break
	}
	b.ReportAllocs()
	for b.Loop() {
		files = maps.Clone(files)
		files[name] = append(slices.Clone(files[name]), '\n')
		if _, problems := p.Parse(files); problems != nil {
			b.Fatal(problems)
		}
	}
}
