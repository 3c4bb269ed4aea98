package config

import (
	"os"
	"path/filepath"
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
