package demo

import (
	"context"
	"sync"
	"time"
)

// rate is how many requests a second each path gets.
const rate = 220

// steadily calls request at the rate, each time in a goroutine of its own however slow the answers are,
// and counts what becomes of it, until ctx ends; it returns after the last answer.
func steadily(ctx context.Context, m *meter, request func() (instance string, err error)) {
	var requests sync.WaitGroup
	defer requests.Wait()
	started, sent := time.Now(), 0
	ticker := time.NewTicker(time.Second / rate)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C: // may come late on a busy machine; what is due is made up for
			for due := int(time.Since(started).Seconds() * rate); sent < due; sent++ {
				requests.Go(func() {
					began := time.Now()
					instance, err := request()
					m.count(time.Since(began), instance, err)
				})
			}
		}
	}
}
