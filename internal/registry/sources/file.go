package sources

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/doyen-mesh/doyen/internal/atomicfile"
	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// pollInterval is how often a file is looked at. It is read once it has not changed from one look to the next, so that
// half of a file is not taken for the whole.
const pollInterval = time.Second

// maxFile is the size of the largest file, in bytes.
const maxFile = 64 << 20

// File lists the instances in a YAML or JSON file.
type File struct {
	path, kept string
	log        *slog.Logger
	lookups    chan []lookup // one slot: the latest names in DNS
	first      content
	read       stamp
}

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

// OpenFile reads a file. Its last valid content is kept in the file kept, and used if the file has none now. The error
// is an *InvalidError if there is neither, or why the file cannot be read.
func OpenFile(path, kept string, log *slog.Logger) (*File, error) {
	f := &File{path: path, kept: kept, log: log, lookups: make(chan []lookup, 1)}
	before := f.stat()
	now, err := f.load()
	if err == nil {
		f.first, f.read = now, before
		return f, nil
	}
	text, keptErr := os.ReadFile(kept)
	if keptErr != nil {
		return nil, err
	}
	earlier, problems := parse(kept, text)
	if len(problems) > 0 {
		return nil, err
	}
	log.Warn("instances file is not taken: its last valid content stays", "error", err)
	f.first, f.read = earlier, before
	return f, nil
}

// Name implements Source.
func (f *File) Name() string { return "file" }

// Run implements Source.
func (f *File) Run(ctx context.Context, set func([]registry.Instance)) error {
	f.publish(f.first, set)
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
		if stable := now == last; !stable || now == f.read {
			last = now
			continue
		}
		f.read = now
		fresh, err := f.load()
		if err != nil {
			f.log.Warn("instances file is not taken: its last valid content stays", "error", err)
			continue
		}
		f.log.Info("instances file is read", "file", f.path, "instances", len(fresh.instances), "names", len(fresh.lookups))
		f.publish(fresh, set)
	}
}

// publish passes on what the file lists, the names in DNS to the other source.
func (f *File) publish(c content, set func([]registry.Instance)) {
	select {
	case <-f.lookups:
	default:
	}
	f.lookups <- c.lookups
	set(c.instances)
}

// stat returns the file's stamp; the zero value if there is no file.
func (f *File) stat() stamp {
	info, err := os.Stat(f.path)
	if err != nil {
		return stamp{}
	}
	return stamp{info.ModTime(), info.Size()}
}

// load reads the file, and keeps its content if it is valid.
func (f *File) load() (content, error) {
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return content{}, fmt.Errorf("instances file %q: there is no such file", f.path)
	case err != nil:
		return content{}, fmt.Errorf("instances file: %w", err)
	case info.Size() > maxFile || !info.Mode().IsRegular():
		return content{}, fmt.Errorf("instances file %q is no file of at most %d bytes", f.path, maxFile)
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return content{}, fmt.Errorf("instances file: %w", err)
	}
	c, problems := parse(f.path, text)
	if len(problems) > 0 {
		return content{}, &InvalidError{problems}
	}
	if err := atomicfile.Write(f.kept, text, 0o600); err != nil {
		f.log.Warn("instances file is not kept for the next start", "error", err)
	}
	return c, nil
}
