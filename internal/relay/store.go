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
	"slices"
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
	limit  int // bytes of a file: what is larger is neither written nor read
	log    *slog.Logger
	due    chan struct{} // one slot: something is to be saved
}

const (
	format       = "doyen relay 1\n"
	extension    = ".copy"
	saveInterval = time.Second // at least, between two saves of everything that changed
	maxCopy      = 256 << 20   // bytes of a file
	maxCopies    = 64          // files; the oldest go first
	confirmEvery = time.Minute // how often the time of a copy is set while a server answers
)

// saved is a client's configuration as it was read from disk.
type saved struct {
	time  time.Time
	types map[string]*collection
}

func newStore(folder string, log *slog.Logger) *store {
	return &store{folder: folder, limit: maxCopy, log: log, due: make(chan struct{}, 1)}
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
	if s.folder == "" {
		return
	}
	s.prune()
	confirm := time.NewTicker(confirmEvery)
	defer confirm.Stop()
	for {
		select {
		case <-s.due:
		case <-confirm.C:
			s.saveAll(sessions()) // what could not be saved before
			s.confirm(sessions())
			continue
		case <-ctx.Done():
			s.saveAll(sessions())
			s.confirm(sessions())
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
		content, number, err := c.unsaved()
		switch {
		case err == nil && content == nil:
			continue
		case len(content) > s.limit:
			err = fmt.Errorf("%d bytes are more than the %d of the largest copy", len(content), s.limit)
		case err == nil:
			err = s.save(c.id, content)
		}
		c.savingFailed(err)
		if err != nil {
			s.log.Warn("a client's configuration cannot be saved: it would not survive a restart while no server answers", "node", c.id, "error", err)
			continue
		}
		c.savedAs(number, time.Now())
	}
}

// confirm sets the time of the copies that are what a server has, so that their age says for how long it is unknown
// whether they still are.
func (s *store) confirm(sessions []*session) {
	now := time.Now()
	for _, c := range sessions {
		if c.confirm(now) {
			if err := os.Chtimes(s.file(c.id), now, now); err != nil {
				s.log.Warn("the time of a copy cannot be set", "node", c.id, "error", err)
			}
		}
	}
}

// prune removes the oldest copies above maxCopies, of clients that have not been here for long.
func (s *store) prune() {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		s.log.Warn("no folder for the copies of clients' configurations", "error", err)
		return
	}
	type copied struct {
		file string
		time time.Time
	}
	var all []copied
	files, _ := filepath.Glob(filepath.Join(s.folder, "*"+extension)) // the pattern is well formed
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			all = append(all, copied{file, info.ModTime()})
		}
	}
	slices.SortFunc(all, func(a, b copied) int { return b.time.Compare(a.time) })
	for _, old := range all[min(maxCopies, len(all)):] {
		if err := os.Remove(old.file); err != nil {
			s.log.Warn("an old copy cannot be removed", "error", err)
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
	if s.folder == "" {
		return nil, nil
	}
	name := s.file(id)
	info, err := os.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if info.Size() > int64(s.limit) {
		return nil, fmt.Errorf("%s: %d bytes are more than the %d of the largest copy", name, info.Size(), s.limit)
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
