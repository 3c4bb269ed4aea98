package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// storeFormat is the version of the file; another is refused rather than misread.
const storeFormat = 1

// accepted is the folder that was accepted last, as it is kept on disk. The names are kept beside the
// files so that they are known even where a later release reads the documents otherwise.
type accepted struct {
	Format   int           `json:"format"`
	Accepted time.Time     `json:"accepted"`
	Revision mesh.Revision `json:"revision"`
	Names    names         `json:"names"`
	Peaks    peaks         `json:"peaks"` // within guardWindow before
	Files    config.Files  `json:"files"` // the bytes in base64
}

// store keeps one accepted folder in a folder of ours, "" for nowhere.
type store struct{ dir string }

// load returns what was saved last, nil where nothing was.
func (s store) load() (*accepted, error) {
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
	var a accepted
	if err := json.Unmarshal(text, &a); err != nil {
		return nil, fmt.Errorf("accepted documents: %s: %w; without this file the folder is taken as it is now", stateFile(s.dir), err)
	}
	if a.Format != storeFormat {
		return nil, fmt.Errorf("accepted documents: %s: format %d: want %d, or no such file: the folder is then taken as it is now", stateFile(s.dir), a.Format, storeFormat)
	}
	return &a, nil
}

// save replaces what was saved, or leaves it as it was.
func (s store) save(a *accepted) error {
	if s.dir == "" {
		return nil
	}
	a.Format = storeFormat
	text, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("accepted documents: %w", err)
	}
	if err := s.replace(text); err != nil {
		return fmt.Errorf("accepted documents: %w", err)
	}
	return nil
}

func (s store) replace(text []byte) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return err
	}
	return atomicfile.Write(stateFile(s.dir), text, 0o600)
}
