package client

import (
	"cmp"
	"math/rand/v2"
	"time"
)

const (
	defaultMinRetry = 500 * time.Millisecond
	defaultMaxRetry = 30 * time.Second
)

// backoff doubles the time between attempts from least to most.
type backoff struct {
	least, most, current time.Duration
}

func newBackoff(least, most time.Duration) *backoff {
	b := &backoff{least: cmp.Or(least, defaultMinRetry), most: cmp.Or(most, defaultMaxRetry)}
	b.reset()
	return b
}

func (b *backoff) reset() { b.current = b.least }

// next returns how long to wait now: between half and all of the current time, so that clients
// that lost their server together do not come back together.
func (b *backoff) next() time.Duration {
	d := b.current
	b.current = min(2*b.current, b.most)
	return d/2 + rand.N(d/2+1)
}
