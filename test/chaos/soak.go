//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// soak injects faults drawn at random until the time is over or one has not healed.
func soak(ctx context.Context, f *fleet, rows []row, p printer, seed uint64, limit time.Duration) error {
	random := rand.New(rand.NewPCG(seed, 0))
	began, injected, failed := time.Now(), 0, 0
	var broken error
	for time.Since(began) < limit {
		r := inflict(ctx, f, rows[random.IntN(len(rows))])
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		p.print(r)
		injected, failed = injected+1, failed+r.Failed
		if !r.ok() {
			broken = errBroken
		}
		if r.Err != "" {
			break
		}
	}
	p.note(fmt.Sprintf("%d faults in %v, %d failed requests; repeat with -seed %d", injected, time.Since(began).Round(time.Second), failed, seed))
	return errors.Join(broken)
}
