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

// accepted is the content of a folder that was accepted. Immutable.
type accepted struct {
	at       time.Time
	revision mesh.Revision
	names    names
	peaks    peaks // within guardWindow before
	files    config.Texts
}

const (
	// storeFormat is the version of the file that is written. A file of a later version is refused.
	storeFormat = 2
	// wholeFormat is the version in which the file is a single record, with all names in Names. It is still read, and
	// replaced at the next save.
	wholeFormat = 1
)

// record is one line of the file: how the accepted folder differs from that of the lines before. The names of documents
// are stored beside the files because a later release may refuse the documents, and still has to know what there was.
type record struct {
	Format   int                 `json:"format"`
	Accepted time.Time           `json:"accepted"`
	Revision mesh.Revision       `json:"revision"`
	Peaks    peaks               `json:"peaks"`
	Names    map[string][]string `json:"names,omitempty"`   // only in wholeFormat: all names, by "services", "edges", "externals"
	Added    map[string][]string `json:"added,omitempty"`   // names by kind
	Removed  map[string][]string `json:"removed,omitempty"` // names by kind
	Files    map[string]*[]byte  `json:"files"`             // the bytes in base64; null for a file that was removed
}

// check refuses a record of an unknown version, and turns one in wholeFormat into the first record of this version.
func (r *record) check(first bool) error {
	switch {
	case r.Format == storeFormat:
	case r.Format == wholeFormat && first:
		r.Added = map[string][]string{}
		for _, kind := range kinds {
			r.Added[kind] = r.Names[kind+"s"]
		}
	default:
		return fmt.Errorf("format %d, want %d: it was written by another release of doyen; without this file the folder is accepted as it is now", r.Format, storeFormat)
	}
	return nil
}

// store keeps the folder that was accepted last, in a file. Changes are appended to the file. It is rewritten when it
// is more than twice as long as it was after the last rewrite.
type store struct {
	dir   string    // "" for no file
	saved *accepted // what the file holds; nil if nothing may be appended to it
	first int       // bytes of the file after the last rewrite
	size  int       // bytes of the file now
}

// stateFile returns the path of the file.
func stateFile(dir string) string { return filepath.Join(dir, "accepted.json") }

// load returns what was saved last, or nil if nothing was. It ignores a last record that was cut off while it was
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
			return nil, fmt.Errorf("accepted documents: %s: %w; without this file the folder is accepted as it is now", stateFile(s.dir), err)
		}
		if err := r.check(first); err != nil {
			return nil, fmt.Errorf("accepted documents: %s: %w", stateFile(s.dir), err)
		}
		last = r.after(last)
	}
	return last, nil
}

// after returns the folder that results when the changes in r are applied to last.
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

// since returns the record that leads from last to a.
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

// save writes a. After an error, the file holds either a or what was saved before.
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

// append writes the changes since the last save. It fails if the length of the file has changed since then.
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
