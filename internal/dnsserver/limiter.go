package dnsserver

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// maxAnswers is how many answers with records a network gets over UDP, per second and in one burst.
const maxAnswers = 1000

// limiter limits the answers over UDP to each network, because the sender's address may be forged. Networks that have
// the same hash share a limit, so its size does not depend on the number of senders. Loopback has no limit: nobody
// else can send from there.
type limiter struct {
	seed    maphash.Seed
	mu      sync.Mutex
	buckets [1 << 12]bucket
}

// bucket is a token bucket.
type bucket struct {
	tokens float64
	since  time.Time
}

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed()} }

// allows reports whether an answer may be sent to an address at now.
func (l *limiter) allows(to netip.Addr, now time.Time) bool {
	if to.IsLoopback() {
		return true
	}
	bits := 24
	if to.Is6() {
		bits = 56
	}
	network, err := to.WithZone("").Prefix(bits)
	if err != nil {
		return false
	}
	hash := maphash.Comparable(l.seed, network)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buckets[hash%uint64(len(l.buckets))].take(now)
}

// take takes one token, if there is one. An unused bucket is full.
func (b *bucket) take(now time.Time) bool {
	b.tokens = min(maxAnswers, b.tokens+now.Sub(b.since).Seconds()*maxAnswers)
	b.since = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
