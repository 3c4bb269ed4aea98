package xds

import (
	"sync"
	"sync/atomic"
	"time"
)

// A keeper bounds the memory of encoded bodies. While many streams need the same, a body is
// made once; when nobody needed a new one for a while, it can be made again.
type keeper struct {
	mu    sync.Mutex
	kept  []kept // oldest first
	bytes int
	timer *time.Timer
}

type kept struct {
	place *atomic.Pointer[body]
	body  *body
	since time.Time
}

const (
	// keptBytes is how much a server keeps encoded at most, but for the newest body.
	keptBytes = 64 << 20
	// keptFor is how long a body stays without having been made anew.
	keptFor = 5 * time.Second
)

// add takes note of a new body and lets go of the oldest beyond the bound.
func (k *keeper) add(place *atomic.Pointer[body], b *body) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.kept = append(k.kept, kept{place, b, time.Now()})
	k.bytes += len(b.bytes)
	for k.bytes > keptBytes && len(k.kept) > 1 {
		k.drop()
	}
	if k.timer == nil {
		k.timer = time.AfterFunc(keptFor, k.expire)
	}
}

func (k *keeper) drop() {
	oldest := k.kept[0]
	k.kept[0] = kept{}
	k.kept = k.kept[1:]
	k.bytes -= len(oldest.body.bytes)
	oldest.place.CompareAndSwap(oldest.body, nil)
}

func (k *keeper) expire() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = nil
	for len(k.kept) > 0 && time.Since(k.kept[0].since) >= keptFor {
		k.drop()
	}
	if len(k.kept) > 0 {
		k.timer = time.AfterFunc(time.Until(k.kept[0].since.Add(keptFor)), k.expire)
	} else {
		k.kept = nil
	}
}

// stop lets go of everything.
func (k *keeper) stop() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.timer != nil {
		k.timer.Stop()
		k.timer = nil
	}
	for len(k.kept) > 0 {
		k.drop()
	}
}
