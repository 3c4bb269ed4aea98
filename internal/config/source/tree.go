package source

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// clockGrain is the coarsest resolution of modification times in file systems. A file that was read within this time of
// its modification may have been modified again with the same modification time.
const clockGrain = 2 * time.Second

// tree is the content of a folder as it was last read. It reads a file again only if its size, modification time or
// identity differ, or if it was read within clockGrain of its modification.
type tree struct {
	dir     string
	files   map[string]*file // by path below dir
	links   int              // number of files that are links
	folders map[string]int   // number of files below each folder
}

// file is one file as it was last read. Immutable.
type file struct {
	info   fs.FileInfo // nil if the text is from the copy on disk
	text   string
	fresh  bool // it was read within clockGrain of its modification
	linked bool // it is a symbolic link
}

// restore fills the tree from the copy on disk.
func (t *tree) restore(files config.Texts) {
	for name, text := range files.All() {
		t.set(name, &file{text: text})
	}
}

// set replaces a file; nil removes it.
func (t *tree) set(name string, now *file) {
	if t.files == nil {
		t.files, t.folders = map[string]*file{}, map[string]int{}
	}
	t.count(name, t.files[name], -1)
	t.count(name, now, 1)
	if t.files[name] = now; now == nil {
		delete(t.files, name)
	}
}

// count adds n to the counters that a file, which may be nil, belongs to.
func (t *tree) count(name string, f *file, n int) {
	if f == nil {
		return
	}
	if f.linked {
		t.links += n
	}
	for folder := path.Dir(name); folder != "."; folder = path.Dir(folder) {
		if t.folders[folder] += n; t.folders[folder] == 0 {
			delete(t.folders, folder)
		}
	}
}

// scan reads the whole folder and calls changed for each file that changed, with nil for one that was removed. After an
// error the tree is unchanged.
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
			t.set(name, nil)
			changed(name, nil)
		}
	}
	for name, f := range next {
		if f != t.files[name] {
			t.set(name, f)
			changed(name, f)
		}
	}
	return nil
}

// look reads one file and calls changed if it changed.
func (t *tree) look(name string, changed func(name string, now *file)) error {
	fsys := os.DirFS(t.dir)
	info, err := config.Stat(fsys, name)
	if err != nil {
		return config.ReadError(t.dir, err)
	}
	had := t.files[name]
	if info == nil {
		if had != nil {
			t.set(name, nil)
			changed(name, nil)
		}
		return nil
	}
	f, err := t.read(fsys, name, info)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil // removed in between, for which another hint comes
	case err != nil:
		return config.ReadError(t.dir, err)
	case f != had:
		t.set(name, f)
		changed(name, f)
	}
	return nil
}

// read reads a file, or returns the one that was read before if it is still the same.
func (t *tree) read(fsys fs.FS, name string, info fs.FileInfo) (*file, error) {
	had := t.files[name]
	if had != nil && !had.fresh && sameFile(had.info, info) {
		return had, nil
	}
	content, err := config.ReadFile(fsys, name)
	if err != nil {
		return nil, err
	}
	text := string(content)
	fresh := time.Since(info.ModTime()) < clockGrain
	if had != nil && had.fresh == fresh && sameFile(had.info, info) && had.text == text {
		return had, nil
	}
	if had != nil && had.text == text {
		text = had.text // one copy in memory
	}
	link, err := fs.Lstat(fsys, name)
	return &file{info: info, text: text, fresh: fresh, linked: err == nil && link.Mode()&fs.ModeSymlink != 0}, nil
}

func sameFile(a, b fs.FileInfo) bool {
	return a != nil && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}

// hasLinks reports whether any file is a symbolic link, so that it may change without a change in the folder.
func (t *tree) hasLinks() bool { return t.links > 0 }

// hasBelow reports whether there are files below a folder.
func (t *tree) hasBelow(folder string) bool { return t.folders[folder] > 0 }
