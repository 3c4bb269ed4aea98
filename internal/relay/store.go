package relay

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
)

// store keeps a copy of each client's configuration in a folder, a file for each.
//
// A file is a line with the format's name, the SHA-256 of the rest, and then messages, each after its length: a
// DeltaDiscoveryRequest that names the node, and a DeltaDiscoveryResponse for each type. It is written beside
// its place and renamed, so that a file is whole or not there, and the checksum finds what a disk lost.
type store struct {
	folder string
	log    *slog.Logger
	due    chan struct{} // one slot: something is to be saved
}

const (
	format       = "doyen relay 1\n"
	extension    = ".copy"
	saveInterval = time.Second // at least, between two saves of everything that changed
	maxCopy      = 256 << 20   // bytes of a file
)

// saved is a client's configuration as it was read from disk.
type saved struct {
	time  time.Time
	types map[string]*collection
}

func newStore(folder string, log *slog.Logger) *store {
	return &store{folder: folder, log: log, due: make(chan struct{}, 1)}
}

// wake lets run save what changed. It never blocks.
func (s *store) wake() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}

// run saves sessions that changed, at most once in saveInterval, until ctx ends, and then a last time.
func (s *store) run(ctx context.Context, sessions func() []*session) {
	for {
		select {
		case <-s.due:
		case <-ctx.Done():
			s.saveAll(sessions())
			return
		}
		s.saveAll(sessions())
		select {
		case <-time.After(saveInterval):
		case <-ctx.Done():
		}
	}
}

func (s *store) saveAll(sessions []*session) {
	for _, c := range sessions {
		content, err := c.unsaved()
		if err == nil && content != nil {
			err = s.save(c.id, content)
		}
		if err != nil {
			s.log.Warn("a client's configuration cannot be saved: it would not survive a restart while no server answers", "node", c.id, "error", err)
			c.saveFailed()
		}
	}
}

func (s *store) file(id string) string {
	sum := sha256.Sum256([]byte(id))
	return filepath.Join(s.folder, hex.EncodeToString(sum[:12])+extension)
}

// save writes the copy of one client.
func (s *store) save(id string, content []byte) error {
	return atomicfile.Write(s.file(id), content, 0o600)
}

// load reads the copy of one client; nil when there is none.
func (s *store) load(id string) (*saved, error) {
	name := s.file(id)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCopy {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d of the largest copy", name, info.Size(), maxCopy)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	types, err := decode(id, content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return &saved{info.ModTime(), types}, nil
}
