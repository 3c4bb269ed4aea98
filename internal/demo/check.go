package demo

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrCheck says that a step of the check failed.
var ErrCheck = errors.New("the demo's check failed")

// checkLimit bounds the whole check.
const checkLimit = 85 * time.Second

// step is one event that a mesh must survive. It returns what it measured, and an error if the mesh did not survive.
type step struct {
	name string
	run  func(ctx context.Context, s *stage) (figures string, err error)
}

// steps run in this order; each leaves the mesh in the state that the next one needs.
func steps() []step {
	return []step{
		{"traffic flows on every path", trafficFlows},
		{"DNS names every instance", dnsNames},
		{"an instance stops, another joins", stopAndJoin},
		{"the same without Envoy (gRPC)", stopAndJoinGRPC},
		{"an instance is killed", kill},
		{"a route moves", moveRoute},
		{"a broken file is refused", refuseFile},
		{"the server is away, an instance dies", serverAway},
		{"the server returns", serverReturns},
		{"the Envoys accepted every update", nothingRefused},
	}
}

// Check runs the demo unattended, prints one line for each step, and returns ErrCheck if one failed. It continues
// after a step that failed.
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
			return errors.Join(failed, fmt.Errorf("%w: it did not finish within %v: %v", ErrCheck, checkLimit, context.Cause(ctx)))
		}
	}
	return failed
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
