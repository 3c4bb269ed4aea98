// Package atomicfile replaces files. Its one invariant: whoever reads the file, also after a loss of power, finds the
// old content or the new one, and nothing in between.
package atomicfile

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write replaces the content of a file, or makes the file. When it returns without an error, the new content survives
// a loss of power. On an error the file is as it was. perm is used for a new file only.
func Write(path string, content []byte, perm os.FileMode) error {
	dir := filepath.Dir(path)
	// The temporary file has a name that begins with a dot, in the same folder and so on the same file system.
	if err := renameio.WriteFile(path, content, perm, renameio.WithTempDir(dir)); err != nil {
		return err
	}
	return syncDir(dir)
}

// syncDir makes a rename survive a loss of power.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
