package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
)

// MaxFile is the size, in bytes, beyond which a file is not read: no person wrote it.
const MaxFile = 4 << 20

// Files are the files of a folder that hold documents: bytes by path, relative to the folder, with
// forward slashes.
type Files map[string][]byte

// Read reads all files of a folder that may hold documents: those whose names end in .yaml or .yml, in
// subfolders too. Names that begin with a dot are left out, folders too. A link to a file is
// followed; a link to a folder is an error, for it could lead anywhere.
func Read(fsys fs.FS) (Files, error) {
	files := Files{}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
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
		return files.add(fsys, name, entry)
	})
	if err != nil {
		return nil, err
	}
	return files, nil
}

func (files Files) add(fsys fs.FS, name string, entry fs.DirEntry) error {
	linked := entry.Type()&fs.ModeSymlink != 0
	if !linked && !isYAML(name) {
		return nil
	}
	info, err := fs.Stat(fsys, name)
	switch {
	case err != nil && linked && !isYAML(name):
		return nil // a dangling link, such as the lock files of editors
	case linked && errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%s is a link to a file that is not there", name)
	case err != nil:
		return err
	case info.IsDir() && linked:
		return fmt.Errorf("%s is a link to a folder, which is not followed: put the files themselves here", name)
	case !isYAML(name):
		return nil
	case info.Size() > MaxFile:
		return fmt.Errorf("%s has %d bytes: want at most %d", name, info.Size(), MaxFile)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a regular file", name)
	}
	files[name], err = fs.ReadFile(fsys, name)
	return err
}

func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

// ReadDir is Read of a folder of this machine, with errors that name it.
func ReadDir(dir string) (Files, error) {
	files, err := Read(os.DirFS(dir))
	if err != nil {
		return nil, readError(dir, err)
	}
	return files, nil
}

func readError(dir string, err error) error {
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
