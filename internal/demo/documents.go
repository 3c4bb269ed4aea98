package demo

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
)

//go:embed mesh/*.yaml
var embedded embed.FS

// documents is the folder of the demo's documents, which the user may edit.
type documents struct {
	dir string
}

// write writes the demo's documents to the folder, except those that exist there already. Only the ledger's port
// depends on this machine.
func (d documents) write(ledger int) error {
	entries, err := fs.ReadDir(embedded, "mesh")
	if err != nil {
		return err
	}
	for _, e := range entries {
		content, err := fs.ReadFile(embedded, "mesh/"+e.Name())
		if err != nil {
			return err
		}
		path := filepath.Join(d.dir, e.Name())
		if _, err := os.Stat(path); err == nil {
			continue
		}
		content = bytes.ReplaceAll(content, []byte(strconv.Itoa(ledgerPort)), []byte(strconv.Itoa(ledger)))
		if err := atomicfile.Write(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// profile returns the service to which the edge routes /profile, and another one to try. A folder that was kept may
// have either.
func (d documents) profile() (now, other string) {
	edge, err := os.ReadFile(filepath.Join(d.dir, "edge.yaml"))
	if err == nil && bytes.Contains(edge, []byte("profile, to: orders")) {
		return "orders", "users"
	}
	return "users", "orders"
}

// edit replaces a text that occurs once in a document. Like a careful editor it writes a new file and renames it. It
// returns a function that undoes the edit.
func (d documents) edit(name, old, replacement string) (undo func() error, err error) {
	path := filepath.Join(d.dir, name)
	before, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(before, []byte(old)); n != 1 {
		return nil, fmt.Errorf("%s has %q %d times: want it once", path, old, n)
	}
	undo = func() error { return d.replace(path, before) }
	return undo, d.replace(path, bytes.Replace(before, []byte(old), []byte(replacement), 1))
}

func (d documents) replace(path string, content []byte) error {
	return atomicfile.Write(path, content, 0o644)
}
