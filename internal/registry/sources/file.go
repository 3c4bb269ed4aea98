package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// pollInterval is how often a file is looked at. It is read once it has not changed from one look to the next, so that
// half of a file is not taken for the whole.
const pollInterval = time.Second

// maxFile is the size of the largest file, in bytes.
const maxFile = 64 << 20

// leastGuarded is the number of entries from which on a file may not lose more than half of them at once.
const leastGuarded = 4

// File lists the instances in a YAML or JSON file.
type File struct {
	path, kept string
	log        *slog.Logger
	lookups    chan []lookup // one slot: the latest names in DNS
	refused    atomic.Pointer[Refused]

	// Owned by Run.
	current content
	read    stamp     // of what was read last
	held    time.Time // since when the content with that stamp is held because it lacks too much
}

// Refused says why what is in the file now is not in force.
type Refused struct {
	Reason string
	Since  time.Time
}

// Refused returns why what is in the file now is not in force; nil if it is.
func (f *File) Refused() *Refused { return f.refused.Load() }

// InvalidError is why the content of a file cannot be used.
type InvalidError struct{ Problems yamldoc.Problems } // at least one

func (e *InvalidError) Error() string {
	return fmt.Sprintf("instances file has problems (%d), the first: %v", len(e.Problems), e.Problems[0])
}

// stamp is what changes with a file's content.
type stamp struct {
	modified time.Time
	size     int64
}

// OpenFile reads a file. Its last valid content is kept in the file kept, and used if the file has none now, or lacks
// most of it. The error is an *InvalidError if there is neither, or why the file cannot be read.
func OpenFile(path, kept string, log *slog.Logger) (*File, error) {
	f := &File{path: path, kept: kept, log: log, lookups: make(chan []lookup, 1)}
	earlier := false
	if text, err := os.ReadFile(kept); err == nil {
		c, problems := parse(kept, text)
		if earlier = len(problems) == 0; earlier {
			f.current = c
		}
	}
	f.read = f.stat()
	if err := f.load(); err != nil {
		if !earlier {
			return nil, err
		}
		f.warn(err)
	}
	return f, nil
}

// Name implements Source.
func (f *File) Name() string { return "file" }

// Run implements Source.
func (f *File) Run(ctx context.Context, set func([]registry.Instance)) error {
	f.publish(set)
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	last := f.read
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		now := f.stat()
		stable, overdue := now == last, !f.held.IsZero() && time.Since(f.held) >= absenceDoubt
		last = now
		if !stable || now == f.read && !overdue {
			continue
		}
		if now != f.read {
			f.read, f.held = now, time.Time{}
		}
		if err := f.load(); err != nil {
			f.warn(err)
		} else {
			f.log.Info("instances file is read", "file", f.path, "instances", len(f.current.instances), "names", len(f.current.lookups))
			f.publish(set)
		}
	}
}

// publish passes on what the file lists, the names in DNS to the other source.
func (f *File) publish(set func([]registry.Instance)) {
	select {
	case <-f.lookups:
	default:
	}
	f.lookups <- f.current.lookups
	set(f.current.instances)
}

// stat returns the file's stamp; the zero value if there is no file.
func (f *File) stat() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// load makes what is in the file current and keeps it for the next start, or says why it does not.
func (f *File) load() error {
	text, fresh, err := f.parse()
	if err == nil {
		err = f.guard(fresh)
	}
	if err != nil {
		f.refused.Store(&Refused{Reason: err.Error(), Since: time.Now()})
		return err
	}
	f.current, f.held = fresh, time.Time{}
	f.refused.Store(nil)
	if err := atomicfile.Write(f.kept, text, 0o600); err != nil {
		f.log.Warn("instances file is not kept for the next start", "error", err)
	}
	return nil
}

func (f *File) warn(err error) {
	f.log.Warn("instances file is not in force: its last valid content stays", "error", err)
}

// guard returns an error if fresh lacks more than half of what is current: a script that went wrong is more likely than
// that so much is gone. Content that stays for as long as a lease is believed.
func (f *File) guard(fresh content) error {
	earlier, now := f.current.entries(), fresh.entries()
	lost := 0
	for entry := range earlier {
		if _, stays := now[entry]; !stays {
			lost++
		}
	}
	if len(earlier) < leastGuarded || lost*2 <= len(earlier) {
		return nil
	}
	if f.held.IsZero() {
		f.held = time.Now()
	}
	if time.Since(f.held) >= absenceDoubt {
		return nil
	}
	return fmt.Errorf("instances file %q lacks %d of the %d entries that are in force: it is taken if it stays as it is until %s; to have it earlier, remove at most half of the entries at a time",
		f.path, lost, len(earlier), f.held.Add(absenceDoubt).UTC().Format(time.RFC3339))
}

// entries are the addresses and names that the content lists.
func (c content) entries() map[any]struct{} {
	entries := make(map[any]struct{}, len(c.instances)+len(c.lookups))
	for i := range c.instances {
		entries[c.instances[i].Key] = struct{}{}
	}
	for i := range c.lookups {
		entries[lookupKey{c.lookups[i].like.Service, c.lookups[i].question}] = struct{}{}
	}
	return entries
}

type lookupKey struct {
	service mesh.ServiceName
	question
}

// parse reads the file.
func (f *File) parse() (text []byte, c content, err error) {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, c, fmt.Errorf("instances file %q: there is no such file", f.path)
	case err != nil:
		return nil, c, fmt.Errorf("instances file: %w", err)
	case info.Size() > maxFile || !info.Mode().IsRegular():
		return nil, c, fmt.Errorf("instances file %q is no file of at most %d bytes", f.path, maxFile)
	}
	if text, err = os.ReadFile(f.path); err != nil {
		return nil, c, fmt.Errorf("instances file: %w", err)
	}
	c, problems := parse(f.path, text)
	if len(problems) > 0 {
		return nil, c, &InvalidError{problems}
	}
	return text, c, nil
}
