package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

// part is one of the things that an agent does.
type part struct {
	name string // for whoever reads the list
	// run does it until its context ends. When it returns nil before, the part has nothing left to do; an error ends
	// the agent. nil is a part that only has an end.
	run func(context.Context) error
	// end undoes what the part did. It is called after run has returned and the parts after this one have ended, and
	// its context ends when the agent's time for the end is over. nil is nothing.
	end func(context.Context)
}

// parts is everything that an agent does, in order: a part may depend on those before it.
type parts []part

// run starts all parts. When ctx ends or a part fails, it calls leaving for the context that bounds the end,
// and ends the parts one by one, the last one first. It returns the error of the part that failed. If that is
// process.ErrReleased, parts are stopped with this cause and not ended, unless another one fails meanwhile.
func (all parts) run(ctx context.Context, leaving func() (context.Context, context.CancelFunc)) error {
	failed := make(chan error, len(all))
	stops := make([]func(error), len(all))
	for i, p := range all {
		stops[i] = p.start(failed)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	if errors.Is(err, process.ErrReleased) {
		for i := len(all) - 1; i >= 0; i-- {
			stops[i](err)
		}
		select {
		case err = <-failed:
		default:
			return err
		}
	}
	end, cancel := leaving()
	defer cancel()
	for i := len(all) - 1; i >= 0; i-- {
		stops[i](nil)
		if all[i].end != nil {
			all[i].end(end)
		}
	}
	return err
}

// start runs the part. The returned function ends its context, with that cause, and waits until it has returned.
func (p part) start(failed chan<- error) func(cause error) {
	if p.run == nil {
		return func(error) {}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	var group sync.WaitGroup
	group.Go(func() {
		if err := p.run(ctx); err != nil {
			failed <- err
		}
	})
	return func(cause error) {
		cancel(cause)
		group.Wait()
	}
}

// future is a value that becomes known once. One goroutine sets it.
type future[T any] struct {
	known chan struct{} // closes when value is set
	value T
}

func newFuture[T any]() *future[T] { return &future[T]{known: make(chan struct{})} }

func (f *future[T]) set(value T) {
	f.value = value
	close(f.known)
}

// wait returns the value once it is known; false when ctx ends before.
func (f *future[T]) wait(ctx context.Context) (value T, ok bool) {
	select {
	case <-f.known:
		return f.value, true
	case <-ctx.Done():
		return value, false
	}
}

// patience returns a context that ends after limit, or earlier when hurry or over is closed.
func patience(limit time.Duration, hurry, over <-chan struct{}) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	go func() {
		defer cancel()
		select {
		case <-hurry:
		case <-over:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
