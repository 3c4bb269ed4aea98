package source

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/fsnotify/fsnotify"
)

// hints collect notifications from the operating system: which files may have changed, or that any file may have. They
// only make changes known sooner. Network file systems send no notifications, and the queue of events can overflow.
type hints struct {
	mu    sync.Mutex
	paths map[string]bool // below the folder, with forward slashes
	all   bool
	wake  chan struct{} // one slot: there are hints
}

// maxHints is how many files are read one by one. For more, the whole folder is read.
const maxHints = 256

func newHints() *hints {
	return &hints{paths: map[string]bool{}, wake: make(chan struct{}, 1)}
}

func (h *hints) add(path string) {
	h.mu.Lock()
	if h.paths[path] = true; len(h.paths) > maxHints {
		h.all = true
	}
	h.mu.Unlock()
	h.notify()
}

func (h *hints) addAll() {
	h.mu.Lock()
	h.all = true
	h.mu.Unlock()
	h.notify()
}

func (h *hints) notify() {
	select {
	case h.wake <- struct{}{}:
	default: // it is notified already
	}
}

// take returns the hints and clears them.
func (h *hints) take() (paths map[string]bool, all bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	paths, all = h.paths, h.all
	h.paths, h.all = map[string]bool{}, false
	return paths, all
}

// watch subscribes to notifications of changes. If the operating system cannot send any, there are no hints, and the
// folder is polled.
func (f *Folder) watch(h *hints) (stop func()) {
	w, err := fsnotify.NewWatcher()
	if err != nil {
		f.Log.Info("the operating system sends no notifications of changed documents; the folder is polled", "error", err, "every", f.Poll)
		return func() {}
	}
	root, err := filepath.Abs(f.Options.Folder)
	if err != nil {
		root = filepath.Clean(f.Options.Folder)
	}
	_ = w.Add(filepath.Dir(root)) // the folder may be a link that is replaced
	addFolders(w, root+string(filepath.Separator))
	done := make(chan struct{})
	go func() {
		defer close(done)
		relay(w, root, h)
	}()
	return func() {
		_ = w.Close()
		<-done
	}
}

// relay turns events into hints until the watcher is closed.
func relay(w *fsnotify.Watcher, root string, h *hints) {
	for {
		select {
		case event, ok := <-w.Events:
			if !ok {
				return
			}
			hint(w, event, root, h)
		case _, ok := <-w.Errors:
			if !ok {
				return
			}
			h.addAll() // events were lost
		}
	}
}

// hint adds the hints that follow from one event.
func hint(w *fsnotify.Watcher, event fsnotify.Event, root string, h *hints) {
	if event.Name == root {
		addFolders(w, root+string(filepath.Separator))
		h.addAll()
		return
	}
	below, found := strings.CutPrefix(event.Name, root+string(filepath.Separator))
	if !found {
		return // in the parent folder
	}
	if info, err := os.Lstat(event.Name); event.Has(fsnotify.Create) && err == nil && info.IsDir() {
		addFolders(w, event.Name+string(filepath.Separator))
		h.addAll()
		return
	}
	h.add(filepath.ToSlash(below))
}

// addFolders watches a folder and its subfolders, except hidden ones. root ends in a separator, so that a link is
// followed.
func addFolders(w *fsnotify.Watcher, root string) {
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return nil
		case path != root && strings.HasPrefix(entry.Name(), "."):
			return fs.SkipDir
		}
		_ = w.Add(filepath.Clean(path)) // if that fails, polling finds the changes
		return nil
	})
}
