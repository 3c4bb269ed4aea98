// Package backoff computes the pauses between attempts at something that does not answer.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Backoff is the pause between attempts: it doubles from First to Last, and each pause is drawn from the upper
// half, so that a thousand agents do not return at the same moment. One goroutine uses it.
type Backoff struct {
	First, Last time.Duration
	next        time.Duration
}

// Pause returns how long to wait now.
func (b *Backoff) Pause() time.Duration {
	b.next = min(max(2*b.next, b.First), b.Last)
	return Jitter(b.next, 0.5)
}

// Reset makes the next pause the first one again.
func (b *Backoff) Reset() { b.next = 0 }

// Jitter draws from [d*(1-part), d].
func Jitter(d time.Duration, part float64) time.Duration {
	return d - time.Duration(rand.Float64()*part*float64(d))
}

// Sleep waits for d and reports true, or false as soon as ctx ends.
func Sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
