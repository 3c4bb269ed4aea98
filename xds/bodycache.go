package xds

import (
	"sync"
	"sync/atomic"
	"time"
)

// A body cache bounds the memory of encoded bodies. While many streams need the same, a body is
// made once; when nobody needed a new one for a while, it can be made again.
type bodyCache struct {
	mu     sync.Mutex
	bodies []cachedBody // oldest first
	bytes  int
	timer  *time.Timer
}

type cachedBody struct {
	where *atomic.Pointer[body]
	body  *body
	since time.Time
}

const (
	// cachedBytes is how much a server keeps encoded at most, but for the newest body.
	cachedBytes = 64 << 20
	// cachedFor is how long a body stays without having been made anew.
	cachedFor = 5 * time.Second
)

// add takes note of a new body and lets go of the oldest beyond the bound.
func (k *bodyCache) add(where *atomic.Pointer[body], b *body) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bodies = append(k.bodies, cachedBody{where, b, time.Now()})
	k.bytes += len(b.bytes)
	for k.bytes > cachedBytes && len(k.bodies) > 1 {
		k.drop()
	}
	if k.timer == nil {
		k.timer = time.AfterFunc(cachedFor, k.expire)
	}
}

func (k *bodyCache) drop() {
	oldest := k.bodies[0]
	k.bodies[0] = cachedBody{}
	k.bodies = k.bodies[1:]
	k.bytes -= len(oldest.body.bytes)
	oldest.where.CompareAndSwap(oldest.body, nil)
}

func (k *bodyCache) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = nil
	for len(k.bodies) > 0 && time.Since(k.bodies[0].since) >= cachedFor {
		k.drop()
	}
	if len(k.bodies) > 0 {
		k.timer = time.AfterFunc(time.Until(k.bodies[0].since.Add(cachedFor)), k.expire)
	} else {
		k.bodies = nil
	}
}

// stop lets go of everything.
func (k *bodyCache) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	for len(k.bodies) > 0 {
		k.drop()
	}
}
