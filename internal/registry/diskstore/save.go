package diskstore

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// slack is Store.slack in bytes.
const slack = 1 << 20

// due returns the length at which the log is rewritten if a new one would be size bytes long, so that the work is
// proportional to the changes.
func (s *Store) due(size int64) int64 { return 2*size + s.slack }

// Save appends changes to the log and flushes it to the disk.
func (s *Store) Save(ctx context.Context, changes []registry.Change) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	content, err := encode(changes)
	if err != nil {
		return s.because(err)
	}
	if s.suspect {
		if err := s.writeAnew(); err != nil {
			return err
		}
	}
	if err := s.append(appendFrame(nil, content)); err != nil {
		return s.because(err)
	}
	s.keep(changes)
	if s.end > s.rewrite {
		s.tidy()
	}
	return nil
}

// append writes one frame. If it cannot, it removes what it wrote of it.
func (s *Store) append(frame []byte) error {
	if _, err := s.file.Write(frame); err != nil {
		s.suspect = s.file.Truncate(s.end) != nil
		return err
	}
	if err := s.file.Sync(); err != nil {
		s.suspect = true
		return err
	}
	s.end += int64(len(frame))
	return nil
}

// tidy rewrites the log because it has grown. If that fails, the old one stays in use, and the next attempt follows
// after the same growth.
func (s *Store) tidy() {
	if err := s.writeAnew(); err != nil {
		s.rewrite = s.end + s.slack
		s.log.Warn("store cannot shorten its log", "bytes", s.end, "error", err)
	}
}

// writeAnew writes a log of the current instances and orders beside the old one, and replaces the old one.
func (s *Store) writeAnew() error {
	fresh, err := s.open(s.path(newName), os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return s.because(err)
	}
	size, err := s.writeAll(fresh)
	if err == nil {
		err = fresh.Sync()
	}
	if err == nil {
		err = os.Rename(s.path(newName), s.path(logName))
	}
	if err != nil {
		return s.because(errors.Join(err, fresh.Close(), os.Remove(s.path(newName))))
	}
	if s.file != nil {
		_ = s.file.Close() // nobody will read it
	}
	s.file, s.end, s.rewrite = fresh, size, s.due(size)
	// Until the folder is flushed, a loss of power may bring the old log back.
	err = syncFolder(s.dir)
	s.suspect = err != nil
	if err != nil {
		return s.because(err)
	}
	return nil
}

// writeAll writes a whole log of the current instances and returns its size.
func (s *Store) writeAll(to io.Writer) (int64, error) {
	w := bufio.NewWriterSize(to, 64<<10)
	size, err := w.Write(header())
	for changes := range slices.Chunk(s.sorted(), registry.MaxBatch) {
		content, encodeErr := encode(changes)
		n, writeErr := w.Write(appendFrame(nil, content))
		size += n
		if err = cmp.Or(err, encodeErr, writeErr); err != nil {
			return 0, err
		}
	}
	return int64(size), cmp.Or(err, w.Flush())
}

func (s *Store) sorted() []registry.Change {
	return slices.SortedFunc(maps.Values(s.live), func(a, b registry.Change) int { return a.Key.Compare(b.Key) })
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
