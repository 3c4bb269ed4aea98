package agent

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestPartsEndInReverseOrder ends a list of parts from outside, and by the failure of one of them. A part that has
// nothing left to do ends nothing.
func TestPartsEndInReverseOrder(t *testing.T) {
	broken := errors.New("broken")
	for name, test := range map[string]struct {
		failure error
		cancel  bool
	}{
		"from outside": {cancel: true},
		"by a failure": {failure: broken},
	} {
		t.Run(name, func(t *testing.T) {
			var mu sync.Mutex
			var ended []string
			note := func(what string) {
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, what)
			}
			idle := func(name string) part {
				return part{
					name: name,
					run:  func(ctx context.Context) error { <-ctx.Done(); note(name + " returned"); return nil },
					end: func(ctx context.Context) {
						if _, limited := ctx.Deadline(); !limited {
							t.Error("the end has no limit")
						}
						note(name + " undone")
					},
				}
			}
			started := make(chan struct{})
			all := parts{
				idle("first"),
				{name: "done", run: func(context.Context) error { return nil }},
				{name: "last", run: func(context.Context) error { <-started; return test.failure }, end: func(context.Context) { note("last undone") }},
				idle("second"),
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.cancel {
				cancel()
			}
			close(started)
			err := all.run(ctx, func() (context.Context, context.CancelFunc) { return patience(time.Minute, nil, nil) })
			if !errors.Is(err, test.failure) {
				t.Errorf("error %v, want %v", err, test.failure)
			}
			want := []string{"second returned", "second undone", "last undone", "first returned", "first undone"}
			if !slices.Equal(ended, want) {
				t.Errorf("%q, want %q", ended, want)
			}
		})
	}
}
