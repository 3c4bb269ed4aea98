package sources

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// setInterval is how often an unchanged set is set again, so that a source gets the addresses that have become free.
const setInterval = 5 * time.Second

// Source lists instances.
type Source interface {
	// Name says what lists the instances, in one word: "file". No two sources of a server have the same.
	Name() string
	// Run calls set with all instances that the source lists, as soon as it knows them and whenever they change. It
	// returns once ctx has ended. Only Run's own goroutine calls set.
	Run(ctx context.Context, set func([]registry.Instance)) error
}

// Runner runs sources. Create one with NewRunner.
type Runner struct {
	registry *registry.Registry
	sources  []Source
	log      *slog.Logger
	ready    chan struct{}
}

// NewRunner returns a runner of sources for a registry. It starts nothing: Run does.
func NewRunner(to *registry.Registry, log *slog.Logger, sources ...Source) *Runner {
	return &Runner{to, sources, log, make(chan struct{})}
}

// Ready returns a channel that closes when the registry has the first set of every source.
func (r *Runner) Ready() <-chan struct{} { return r.ready }

// Run runs the sources until ctx ends.
func (r *Runner) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	first := make(chan struct{}, len(r.sources)) // an element for each source that was set
	for _, source := range r.sources {
		sets := make(chan []registry.Instance)
		group.Go(func() error {
			return source.Run(ctx, func(instances []registry.Instance) {
				select {
				case sets <- instances:
				case <-ctx.Done():
				}
			})
		})
		group.Go(func() error {
			r.apply(ctx, source.Name(), sets, first)
			return nil
		})
	}
	group.Go(func() error {
		for range r.sources {
			select {
			case <-first:
			case <-ctx.Done():
				return nil
			}
		}
		close(r.ready)
		return nil
	})
	return group.Wait()
}

// apply sets the sets of one source, each again from time to time.
func (r *Runner) apply(ctx context.Context, name string, sets <-chan []registry.Instance, first chan<- struct{}) {
	ticker := time.NewTicker(setInterval)
	defer ticker.Stop()
	var latest []registry.Instance
	known, reported := false, 0
	for {
		select {
		case <-ctx.Done():
			return
		case latest = <-sets:
		case <-ticker.C:
			if !known {
				continue
			}
		}
		contested, err := r.registry.SetSource(ctx, name, latest)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			r.log.Error("instances of a source are not taken", "source", name, "error", err)
		case len(contested) > 0 && len(contested) != reported:
			r.log.Warn("instances of a source are left out: others have their addresses", "source", name, "instances", len(contested), "one", contested[0].String())
		}
		if reported = len(contested); !known {
			known = true
			first <- struct{}{}
		}
	}
}
