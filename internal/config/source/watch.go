package source

import (
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/fsnotify/fsnotify"
)

// watch asks the operating system to tell of changes. What it tells is only a hint to look sooner:
// network file systems tell nothing, and queues of events overflow. Where there is no watching at all,
// the hints are silent.
func (f *Folder) watch() (hints <-chan struct{}, stop func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.Log.Info("changes of documents are not told by the system and found by reading alone", "error", err, "every", f.Poll)
		return nil, func() {}
	}
	root, err := filepath.Abs(f.Options.Folder)
	if err != nil {
		root = filepath.Clean(f.Options.Folder)
	}
	addFolders(w, root)
	out, done := make(chan struct{}, 1), make(chan struct{})
	go func() {
		defer close(done)
		relay(w, root, out)
	}()
	return out, func() {
		_ = w.Close()
		<-done
	}
}

// relay turns events into hints until the watcher is closed.
func relay(w *fsnotify.Watcher, root string, out chan<- struct{}) {
	for {
		select {
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			if !concerns(event, root) {
				continue
			}
			if event.Has(fsnotify.Create) {
				addFolders(w, root)
			}
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
		}
		select {
		case out <- struct{}{}:
		default: // one hint is waiting already
		}
	}
}

// addFolders watches the folder, its visible subfolders, and the folder around it: there a link is
// replaced that leads to the folder.
func addFolders(w *fsnotify.Watcher, root string) {
	_ = w.Add(filepath.Dir(root))
	_ = filepath.WalkDir(root+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return nil
		case path != root+string(filepath.Separator) && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		}
		_ = w.Add(filepath.Clean(path)) // where it cannot be watched, reading must do
		return nil
	})
}

// concerns reports whether an event is about the folder: the folder around it has others.
func concerns(event fsnotify.Event, root string) bool {
	return event.Name == root || strings.HasPrefix(event.Name, root+string(filepath.Separator))
}
