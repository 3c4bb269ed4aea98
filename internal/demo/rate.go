package demo

import (
	"context"
	"sync"
	"time"
)

// rate is the rate of requests on each path, per second.
const rate = 220

// atOnce is the most open requests that a path has. On a machine that cannot keep up, the rate drops instead of the
// requests timing out in a growing queue.
const atOnce = 64

// steadily calls request at the rate until ctx ends, each time in a goroutine of its own however slow the answers
// are, and counts the results. It returns after the last answer.
func steadily(ctx context.Context, m *meter, request func() (instance string, err error)) {
	var requests sync.WaitGroup
	defer requests.Wait()
	slots := make(chan struct{}, atOnce)
	started, due := time.Now(), 0
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C: // may come late on a busy machine; what is due is made up for
		}
		for now := int(time.Since(started).Seconds() * rate); due < now; due++ {
			select {
			case slots <- struct{}{}:
			default:
				continue // too many under way
			}
			requests.Go(func() {
				defer func() { <-slots }()
				began := time.Now()
				instance, err := request()
				m.count(time.Since(began), instance, err)
			})
		}
	}
}
