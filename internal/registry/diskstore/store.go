package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/doyen-mesh/doyen/internal/datafolder"
	"github.com/doyen-mesh/doyen/internal/registry"
)

const (
	logName  = "instances.log"
	newName  = "instances.log.new"  // while it is written anew
	tornName = "instances.log.torn" // what was cut off last
)

// Store is a registry.Store on disk. Its methods are called by one goroutine at a time.
type Store struct {
	dir  string
	log  *slog.Logger
	lock io.Closer
	open opener

	file    file
	end     int64                            // bytes of the file up to the end of the last whole frame
	slack   int64                            // how far the log may grow beyond twice its minimal size
	rewrite int64                            // write the log anew when it is longer than this
	suspect bool                             // the content of the disk is unknown: rewrite the log first
	live    map[registry.Key]registry.Change // an instance or its goodbye, and an order about it
}

// file is the log's file; tests make it fail.
type file interface {
	io.WriteCloser
	Sync() error
	Truncate(size int64) error
}

type opener func(name string, flag int) (file, error)

// Open opens the store in the folder dir, which it creates if necessary, and reads the whole file. The errors are:
// the folder is in use by another process or cannot be written, or the file is damaged or of another format. With a
// nil log nothing is logged.
func Open(dir string, log *slog.Logger) (*Store, error) {
	return openWith(dir, log, openFile)
}

func openFile(name string, flag int) (file, error) { return os.OpenFile(name, flag, 0o600) }

func openWith(dir string, log *slog.Logger, open opener) (*Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	lock, err := datafolder.Lock(dir, "the instances of a server")
	if err != nil {
		return nil, err
	}
	s := &Store{dir: dir, log: log, lock: lock, open: open, slack: slack, live: make(map[registry.Key]registry.Change)}
	if err := s.start(); err != nil {
		_ = lock.Close()
		return nil, err
	}
	return s, nil
}

// start reads the log and opens it for appending, or creates one.
func (s *Store) start() error {
	content, err := os.ReadFile(s.path(logName))
	if errors.Is(err, fs.ErrNotExist) {
		return s.writeAnew()
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	end, changes, err := s.replay(content)
	if err != nil {
		return fmt.Errorf("store %s: %w; nothing was changed: put back a copy of it that is whole, or move it away and start with no instances (each comes back with its next check-in, within a minute)", s.path(logName), err)
	}
	// The log is due by the length that a new one would have, which the average change tells. By its own length, a log
	// of a server that restarts often would never be due.
	s.end, s.rewrite = int64(end), s.due(int64(end)*int64(len(s.live))/int64(max(1, changes)))
	if s.file, err = s.open(s.path(logName), os.O_WRONLY|os.O_APPEND); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	if err := s.cut(content[end:]); err != nil {
		return err
	}
	if !isCurrent(content) {
		return s.writeAnew() // what is appended would not be of the format that the header names
	}
	return nil
}

// replay applies the changes in a file's content. It returns where its last whole frame ends, and how many changes there
// are.
func (s *Store) replay(content []byte) (end, count int, err error) {
	contents, end, err := frames(content)
	if err != nil {
		return 0, 0, err
	}
	for n, c := range contents {
		changes, err := decode(c)
		if err != nil {
			return 0, 0, fmt.Errorf("change %d: %w", n+1, err)
		}
		s.keep(changes)
		count += len(changes)
	}
	return end, count, nil
}

// cut removes a torn frame from the end of the log and keeps it in a file beside it.
func (s *Store) cut(torn []byte) error {
	if len(torn) == 0 {
		return nil
	}
	kept := os.WriteFile(s.path(tornName), torn, 0o600)
	s.log.Warn("store was interrupted while it wrote: the unfinished change, for which no check-in was answered, is cut off",
		"bytes", len(torn), "kept", s.path(tornName), "error", kept)
	if err := s.file.Truncate(s.end); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// Load returns all instances, goodbyes and orders.
func (s *Store) Load(context.Context) ([]registry.Change, error) {
	return slices.Collect(maps.Values(s.live)), nil
}

// Close releases the folder. Everything that was saved stays.
func (s *Store) Close() error {
	return errors.Join(s.file.Close(), s.lock.Close())
}

// keep applies changes in memory.
func (s *Store) keep(changes []registry.Change) {
	for _, c := range changes {
		if c == (registry.Change{Key: c.Key}) {
			delete(s.live, c.Key)
		} else {
			s.live[c.Key] = c
		}
	}
}

func (s *Store) path(name string) string { return filepath.Join(s.dir, name) }

// because adds the store's folder to err, and wraps ErrFull if there is no room left.
func (s *Store) because(err error) error {
	// The log's file was opened under the name that it had while it was rewritten.
	if at := new(fs.PathError); errors.As(err, &at) {
		err = fmt.Errorf("%s: %w", at.Op, at.Err)
	}
	for _, full := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %s: %w", registry.ErrFull, s.dir, err)
		}
	}
	return fmt.Errorf("store %s: %w", s.dir, err)
}
