package agent

import (
	"math/rand/v2"
	"time"
)

// backoff is the pause between tries at something that is away: it doubles from first to last, and
// each is drawn from the upper half, so that a thousand agents do not come back at the same moment.
type backoff struct {
	first, last time.Duration
	next        time.Duration
}

// pause returns how long to wait now.
func (b *backoff) pause() time.Duration {
	b.next = min(max(2*b.next, b.first), b.last)
	return jitter(b.next, 0.5)
}

// reset makes the next pause the first one again.
func (b *backoff) reset() { b.next = 0 }

// jitter draws from [d*(1-part), d].
func jitter(d time.Duration, part float64) time.Duration {
	return d - time.Duration(rand.Float64()*part*float64(d))
}
