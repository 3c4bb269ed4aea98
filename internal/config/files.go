package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/persistent"
)

// MaxFile is the size of the largest file that is read, in bytes. No person writes a larger one.
const MaxFile = 4 << 20

// Files are the files of a folder that hold documents: bytes by path, relative to the folder, with
// forward slashes.
type Files map[string][]byte

// Texts are the texts of files in a persistent map: a new version shares what did not change with the one before.
type Texts = persistent.Map[string, string]

// Texts are the same files.
func (f Files) Texts() (t Texts) {
	for name, text := range f {
		t = t.With(name, string(text))
	}
	return t
}

// Read reads all files of a folder that may hold documents; see [Walk].
func Read(fsys fs.FS) (Files, error) {
	var names []string
	err := Walk(fsys, func(name string, _ fs.FileInfo) error {
		names = append(names, name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	texts, failed := make([][]byte, len(names)), make([]error, len(names))
	concurrently(len(names), func(i int) { texts[i], failed[i] = ReadFile(fsys, names[i]) })
	files := Files{}
	for i, name := range names {
		if failed[i] != nil {
			return nil, failed[i]
		}
		files[name] = texts[i]
	}
	return files, nil
}

// ReadFile reads one file of a folder. It reads no more than [MaxFile] bytes, however large the file has become since
// it was described.
func ReadFile(fsys fs.FS, name string) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(text) > MaxFile:
		return nil, fmt.Errorf("%s has more than %d bytes", name, MaxFile)
	}
	return text, nil
}

// Unread returns the names of the JSON files of a folder that look like documents. JSON is YAML, but only files whose
// names end in .yaml or .yml are read.
func Unread(dir string) []string {
	var names []string
	fsys := os.DirFS(dir)
	_ = fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return nil // reading the documents says so
		case name != "." && strings.HasPrefix(entry.Name(), ".") && entry.IsDir():
			return fs.SkipDir
		case !entry.Type().IsRegular() || !strings.EqualFold(path.Ext(name), ".json"):
			return nil
		}
		var document Header
		if text, err := ReadFile(fsys, name); err == nil && json.Unmarshal(text, &document) == nil && slices.Contains(kindNames, document.Kind) {
			names = append(names, name)
		}
		return nil
	})
	return names
}

// Walk calls visit for each file of a folder and its subfolders that may contain documents: those whose names end in
// .yaml or .yml. It skips files and folders whose names begin with a dot. It follows links to files. A link to a folder is
// an error, because it could lead anywhere.
func Walk(fsys fs.FS, visit func(name string, info fs.FileInfo) error) error {
	return fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case name != "." && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		case entry.IsDir():
			return nil
		}
		info, err := inspect(fsys, name, entry.Type())
		if info == nil || err != nil {
			return err
		}
		return visit(name, info)
	})
}

// Stat returns the information about one file that [Walk] would pass to visit; nil if the file does not exist or cannot
// contain documents.
func Stat(fsys fs.FS, name string) (fs.FileInfo, error) {
	info, err := fs.Lstat(fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, nil
	}
	return inspect(fsys, name, info.Mode().Type())
}

// inspect returns the information about a file; nil if it cannot contain documents. kind is the type of the name itself,
// without following links.
func inspect(fsys fs.FS, name string, kind fs.FileMode) (fs.FileInfo, error) {
	linked := kind&fs.ModeSymlink != 0
	if !linked && !isYAML(name) {
		return nil, nil
	}
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil && linked && !isYAML(name):
		return nil, nil // a dangling link, such as the lock files of editors
	case linked && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is a link to a file that is not there", name)
	case err != nil:
		return nil, err
	case info.IsDir() && linked:
		return nil, fmt.Errorf("%s is a link to a folder, which is not followed: put the files themselves here", name)
	case !isYAML(name):
		return nil, nil
	case info.Size() > MaxFile:
		return nil, fmt.Errorf("%s has %d bytes: want at most %d", name, info.Size(), MaxFile)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	return info, nil
}

// IsDocument reports whether a file with that path may contain documents: it ends in .yaml or .yml, and no part of it
// begins with a dot.
func IsDocument(name string) bool {
	return isYAML(name) && !strings.HasPrefix(name, ".") && !strings.Contains(name, "/.")
}

func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

// ReadDir is Read for a folder of this machine, with errors that name the folder.
func ReadDir(dir string) (Files, error) {
	files, err := Read(os.DirFS(dir))
	if err != nil {
		return nil, ReadError(dir, err)
	}
	return files, nil
}

// ReadError adds to err which folder cannot be read.
func ReadError(dir string, err error) error {
	info, statErr := os.Stat(dir)
	at := (*fs.PathError)(nil)
	switch {
	case errors.Is(statErr, fs.ErrNotExist):
		return fmt.Errorf("folder %s: there is no such folder", dir)
	case statErr == nil && !info.IsDir():
		return fmt.Errorf("folder %s: it is not a folder", dir)
	case errors.As(err, &at) && at.Path == ".":
		return fmt.Errorf("folder %s: %w", dir, at.Err)
	case errors.As(err, &at):
		return fmt.Errorf("folder %s: %s: %w", dir, at.Path, at.Err)
	default:
		return fmt.Errorf("folder %s: %w", dir, err)
	}
}
