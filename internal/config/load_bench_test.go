package config

import (
	"os"
	"path/filepath"
	"strings"
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
	files := shopFiles(5000).Texts()
	if _, problems := p.Parse(files); problems != nil {
		b.Fatal(problems)
	}
	const name = "services/s7.yaml"
	text := files.Get(name)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		files = files.With(name, text+strings.Repeat("\n", i%2))
		if _, problems := p.Parse(files); problems != nil {
			b.Fatal(problems)
		}
	}
}
