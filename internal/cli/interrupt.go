package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// interruptible returns a context that is canceled by the first SIGTERM, SIGINT or SIGHUP, and a channel that is
// closed by the second, which asks to stop immediately. SIGHUP does not count while it is ignored, as under nohup.
// stop restores the default handling of signals.
func interruptible(ctx context.Context) (_ context.Context, immediately <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals, second := make(chan os.Signal, 2), make(chan struct{})
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
				close(second)
			}
		}
	}()
	return ctx, second, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
