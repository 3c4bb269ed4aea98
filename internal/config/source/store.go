package source

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// accepted is a folder that was accepted. Immutable.
type accepted struct {
	at       time.Time
	revision mesh.Revision
	names    names
	peaks    peaks // within guardWindow before
	files    config.Texts
}

// storeFormat is the version of the file; another is refused rather than misread.
const storeFormat = 2

// record is one line of the file: how the accepted folder differs from that of the lines before. The names are kept
// beside the files so that they are known even where a later release reads the documents otherwise.
type record struct {
	Format   int                 `json:"format"`
	Accepted time.Time           `json:"accepted"`
	Revision mesh.Revision       `json:"revision"`
	Peaks    peaks               `json:"peaks"`
	Added    map[string][]string `json:"added,omitempty"`   // names by kind
	Removed  map[string][]string `json:"removed,omitempty"` // names by kind
	Files    map[string]*[]byte  `json:"files"`             // null for one that is gone; the bytes in base64
}

// store keeps the folder that was accepted last in a folder of ours, "" for nowhere. What changed is appended to a file,
// which is written anew once more was appended than it began with.
type store struct {
	dir   string
	saved *accepted // nil when nothing may be appended
	first int       // length of the file when it was written anew
	size  int       // and now
}

// stateFile is where the accepted documents are kept.
func stateFile(dir string) string { return filepath.Join(dir, "accepted.json") }

// load returns what was saved last, nil where nothing was. The last record is left out if it was cut off while it was
// written.
func (s *store) load() (*accepted, error) {
	if s.dir == "" {
		return nil, nil
	}
	text, err := os.ReadFile(stateFile(s.dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("accepted documents: %w", err)
	}
	last := &accepted{}
	for first := true; first || len(text) > 0; first = false {
		var line []byte
		line, text, _ = bytes.Cut(text, []byte("\n"))
		var r record
		err := json.Unmarshal(line, &r)
		switch {
		case err != nil && !first && len(text) == 0:
			return last, nil
		case err != nil:
			return nil, fmt.Errorf("accepted documents: %s: %w; without this file the folder is taken as it is now", stateFile(s.dir), err)
		case r.Format != storeFormat:
			return nil, fmt.Errorf("accepted documents: %s: format %d: want %d, or no such file: the folder is then taken as it is now", stateFile(s.dir), r.Format, storeFormat)
		}
		last = r.after(last)
	}
	return last, nil
}

// after is the folder once r is made of the one before.
func (r *record) after(last *accepted) *accepted {
	next := &accepted{r.Accepted, r.Revision, last.names, r.Peaks, last.files}
	for i, kind := range kinds {
		for _, name := range r.Added[kind] {
			next.names[i] = next.names[i].With(name, struct{}{})
		}
		for _, name := range r.Removed[kind] {
			next.names[i] = next.names[i].Without(name)
		}
	}
	for name, text := range r.Files {
		if text == nil {
			next.files = next.files.Without(name)
		} else {
			next.files = next.files.With(name, string(*text))
		}
	}
	return next
}

// since is the record that makes a of last.
func (a *accepted) since(last *accepted) *record {
	r := &record{
		Format: storeFormat, Accepted: a.at, Revision: a.revision, Peaks: a.peaks,
		Added: map[string][]string{}, Removed: map[string][]string{}, Files: map[string]*[]byte{},
	}
	for i, kind := range kinds {
		if added := missing(a.names[i], last.names[i]); added != nil {
			r.Added[kind] = added
		}
		if removed := missing(last.names[i], a.names[i]); removed != nil {
			r.Removed[kind] = removed
		}
	}
	for name := range a.files.Changes(last.files) {
		r.Files[name] = nil
		if text, found := a.files.Lookup(name); found {
			content := []byte(text)
			r.Files[name] = &content
		}
	}
	return r
}

// save makes a what was saved last. After an error it is a or what was saved before.
func (s *store) save(a *accepted) error {
	if s.dir == "" {
		return nil
	}
	if s.saved == nil || s.size > 2*s.first || s.append(a) != nil {
		if err := s.replace(a); err != nil {
			s.saved = nil
			return fmt.Errorf("accepted documents: %w", err)
		}
	}
	s.saved = a
	return nil
}

func (s *store) replace(a *accepted) error {
	text, err := a.since(&accepted{}).line()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	if err := atomicfile.Write(stateFile(s.dir), text, 0o600); err != nil {
		return err
	}
	s.first, s.size = len(text), len(text)
	return nil
}

// append fails if the file is not as it was left, too.
func (s *store) append(a *accepted) (err error) {
	text, err := a.since(s.saved).line()
	if err != nil {
		return err
	}
	file, err := os.OpenFile(stateFile(s.dir), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != int64(s.size) {
		return fmt.Errorf("%s has %d bytes, want %d", file.Name(), info.Size(), s.size)
	}
	if _, err := file.Write(text); err != nil {
		return err
	}
	s.size += len(text)
	return file.Sync()
}

func (r *record) line() ([]byte, error) {
	text, err := json.Marshal(r)
	return append(text, '\n'), err
}
