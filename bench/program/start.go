package program

import (
	"context"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/bench/serve"
	"github.com/doyen-mesh/doyen/bench/server"
)

// attempts of what takes well under a second. The quickest counts: the others waited for other
// processes of the machine.
const attempts = 7

// start measures how soon a server with nothing connected is ready, and what it needs then.
func (f *Figures) start(ctx context.Context, o Options, folder string) error {
	if err := writeDocuments(filepath.Join(folder, "config"), 10); err != nil {
		return err
	}
	var ready []time.Duration
	for range attempts {
		s, err := server.Start(ctx, server.Options{Doyen: o.Doyen, Folder: folder})
		if err != nil {
			return err
		}
		ready = append(ready, s.Ready)
		f.RSS, err = settledRSS(ctx, s.PID())
		if stopped := s.Stop(); err == nil {
			err = stopped
		}
		if err != nil {
			return err
		}
	}
	f.Ready = slices.Min(ready)
	return nil
}

// settledRSS is the resident memory of a process after a second.
func settledRSS(ctx context.Context, pid int) (int64, error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Second):
		return serve.RSS(pid)
	}
}

// validate measures doyen validate, process and all.
func (f *Figures) validate(ctx context.Context, o Options, folder string) error {
	if err := writeDocuments(folder, Documents); err != nil {
		return err
	}
	var took []time.Duration
	for range attempts {
		start := time.Now()
		if err := exec.CommandContext(ctx, o.Doyen, "validate", folder).Run(); err != nil {
			return err
		}
		took = append(took, time.Since(start))
	}
	f.Validate = slices.Min(took)
	return nil
}
