package source

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// clockGrain is the coarsest time of change that file systems keep. A file that was read sooner after its
// last change than that may have changed again without showing it.
const clockGrain = 2 * time.Second

// tree is what a folder holds as it was last read. It reads a file again only if its size, time of change or
// identity differ, or if it was read within clockGrain of its last change.
type tree struct {
	dir   string
	files map[string]*file // by path below dir
}

// file is one file as it was last read. Immutable.
type file struct {
	info   fs.FileInfo // nil for one that was read before the process began
	text   []byte
	fresh  bool // it was read within clockGrain of its last change
	linked bool // a link leads to it
}

// restore puts into the tree what was read before the process began.
func (t *tree) restore(files config.Files) {
	t.files = map[string]*file{}
	for name, text := range files {
		t.files[name] = &file{text: text}
	}
}

// scan reads the whole folder and reports each file that is not as it was, with nil for one that is gone. After an
// error the tree is as it was.
func (t *tree) scan(changed func(name string, now *file)) error {
	next := make(map[string]*file, len(t.files))
	fsys := os.DirFS(t.dir)
	err := config.Walk(fsys, func(name string, info fs.FileInfo) (err error) {
		next[name], err = t.read(fsys, name, info)
		return err
	})
	if err != nil {
		return config.ReadError(t.dir, err)
	}
	for name := range t.files {
		if next[name] == nil {
			changed(name, nil)
		}
	}
	for name, f := range next {
		if f != t.files[name] {
			changed(name, f)
		}
	}
	t.files = next
	return nil
}

// look reads one file and reports it if it is not as it was.
func (t *tree) look(name string, changed func(name string, now *file)) error {
	fsys := os.DirFS(t.dir)
	info, err := config.Stat(fsys, name)
	if err != nil {
		return config.ReadError(t.dir, err)
	}
	had := t.files[name]
	if info == nil {
		if had != nil {
			delete(t.files, name)
			changed(name, nil)
		}
		return nil
	}
	f, err := t.read(fsys, name, info)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // it went in between, which is told once more
	case err != nil:
		return config.ReadError(t.dir, err)
	case f != had:
		t.files[name] = f
		changed(name, f)
	}
	return nil
}

// read returns the file that was read before if it is still the same.
func (t *tree) read(fsys fs.FS, name string, info fs.FileInfo) (*file, error) {
	had := t.files[name]
	if had != nil && !had.fresh && sameFile(had.info, info) {
		return had, nil
	}
	text, err := config.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	fresh := time.Since(info.ModTime()) < clockGrain
	if had != nil && had.fresh == fresh && sameFile(had.info, info) && bytes.Equal(had.text, text) {
		return had, nil
	}
	if had != nil && bytes.Equal(had.text, text) {
		text = had.text
	}
	link, err := fs.Lstat(fsys, name)
	return &file{info: info, text: text, fresh: fresh, linked: err == nil && link.Mode()&fs.ModeSymlink != 0}, nil
}

func sameFile(a, b fs.FileInfo) bool {
	return a != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// hasLinks reports whether any file is reached through a link, so that it may change by what happens elsewhere.
func (t *tree) hasLinks() bool {
	for _, f := range t.files {
		if f.linked {
			return true
		}
	}
	return false
}

// hasBelow reports whether there are files below a folder.
func (t *tree) hasBelow(folder string) bool {
	for name := range t.files {
		if strings.HasPrefix(name, folder+"/") {
			return true
		}
	}
	return false
}
