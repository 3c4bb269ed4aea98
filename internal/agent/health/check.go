package health

import (
	"context"
	"sync"
)

// Check checks the application's health with the current check of its manifest.
type Check struct {
	tell    func(error)
	probers chan Prober // one slot: how to ask from now on
}

func NewCheck(p Prober, tell func(error)) *Check {
	h := &Check{tell: tell, probers: make(chan Prober, 1)}
	h.probers <- p
	return h
}

// Replace asks with p from now on. One goroutine calls it. It never waits.
func (h *Check) Replace(p Prober) {
	select {
	case <-h.probers:
	default:
	}
	h.probers <- p
}

// Run asks until ctx ends. It returns nil.
func (h *Check) Run(ctx context.Context) error {
	var asking sync.WaitGroup
	defer asking.Wait()
	stop := func() {}
	for {
		select {
		case p := <-h.probers:
			stop()
			asking.Wait()
			probing, cancel := context.WithCancel(ctx)
			stop = cancel
			asking.Go(func() { p.Run(probing, h.tell) })
		case <-ctx.Done():
			stop()
			return nil
		}
	}
}
