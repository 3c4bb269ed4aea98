package traffic

import (
	"context"
	"sync"
	"time"
)

// atOnce is the largest number of open requests of one caller. On a machine that cannot keep up, the rate drops;
// otherwise the requests would time out in a growing queue.
const atOnce = 64

// Steadily calls request perSecond times a second until ctx ends, each time in a goroutine of its own however slow the answers
// are, and counts the results. It returns after the last answer.
func Steadily(ctx context.Context, perSecond int, m *Meter, request func() (instance string, err error)) {
	var requests sync.WaitGroup
	defer requests.Wait()
	slots := make(chan struct{}, atOnce)
	started, due := time.Now(), 0
	ticker := time.NewTicker(time.Second / time.Duration(perSecond))
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C: // may come late on a busy machine; what is due is made up for
		}
		for now := int(time.Since(started).Seconds() * float64(perSecond)); due < now; due++ {
			select {
			case slots <- struct{}{}:
			default:
				continue // too many under way
			}
			requests.Go(func() {
				defer func() { <-slots }()
				began := time.Now()
				instance, err := request()
				m.Count(time.Since(began), instance, err)
			})
		}
	}
}
