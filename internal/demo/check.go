package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCheck says that a step of the check saw what must not be.
var ErrCheck = errors.New("the demo's check did not hold")

// checkLimit bounds the whole check.
const checkLimit = 85 * time.Second

// step is one thing that a mesh must survive. Its figures are a line for a person; its error is what must not be.
type step struct {
	name string
	run  func(ctx context.Context, s *stage) (figures string, err error)
}

// steps are run in this order; each leaves the mesh as the next one needs it.
func steps() []step {
	return []step{
		{"traffic flows on every path", trafficFlows},
		{"an instance stops, another joins", stopAndJoin},
		{"the same without Envoy (gRPC)", stopAndJoinGRPC},
		{"an instance is killed", kill},
		{"a route moves", moveRoute},
		{"a broken file is refused", refuseFile},
		{"the server is away, an instance dies", serverAway},
		{"the server returns", serverReturns},
		{"the Envoys took what they were sent", nothingRefused},
	}
}

// Check runs the demo without a person, prints one line for each step, and returns ErrCheck when one did
// not hold. It goes on after a step that did not.
func Check(ctx context.Context, o Options) error {
	ctx, cancel := context.WithTimeout(ctx, checkLimit)
	defer cancel()
	s, err := newStage(o)
	if err != nil {
		return err
	}
	return errors.Join(s.check(ctx), s.close())
}

func (s *stage) check(ctx context.Context) error {
	opened, err := s.open(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "ok    %-38s server ready in %d ms; %d instances, %d proxies in sync, traffic on %d paths after %.1f s\n",
		"the mesh starts", opened.server.Milliseconds(), len(s.instances)+1, opened.connected, len(s.paths), opened.all.Seconds())
	var failed error
	for _, step := range steps() {
		figures, err := step.run(ctx, s)
		if err != nil {
			fmt.Fprintf(s.Out, "FAIL  %-38s %s: %v\n", step.name, figures, err)
			failed = ErrCheck
		} else {
			fmt.Fprintf(s.Out, "ok    %-38s %s\n", step.name, figures)
		}
		if ctx.Err() != nil {
			return errors.Join(failed, fmt.Errorf("%w: it took longer than %v or was interrupted", ErrCheck, checkLimit))
		}
	}
	return failed
}

// settled waits for d, or until ctx ends.
func settled(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
