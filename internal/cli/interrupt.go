package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that ends with the first SIGTERM, SIGINT or, unless it is ignored as
// under nohup, SIGHUP, and a channel that closes with the second: whoever asked for the end has lost
// patience. stop gives the signals back.
func interruptible(ctx context.Context) (_ context.Context, hurry <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals, impatient := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, os.Interrupt)
	if !signal.Ignored(syscall.SIGHUP) {
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		for count := 0; count < 2; count++ {
			select {
			case <-signals:
			case <-done:
				return
			}
			if count == 0 {
				cancel()
			} else {
				close(impatient)
			}
		}
	}()
	return ctx, impatient, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
