package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/doyen-mesh/doyen/internal/earlysignals"
)

// interruptible returns a context that is canceled by the first SIGTERM, SIGINT or SIGHUP, and a channel that is
// closed by the second, which asks to stop immediately. SIGHUP does not count while it is ignored, as under nohup.
// stop restores the default handling of signals. Signals are logged, unless log is nil, and the first one is the
// context's cause.
func interruptible(ctx context.Context, log *slog.Logger) (_ context.Context, immediately <-chan struct{}, stop func()) {
	ends := []os.Signal{syscall.SIGTERM, os.Interrupt}
	if !signal.Ignored(syscall.SIGHUP) {
		ends = append(ends, syscall.SIGHUP)
	}
	return interruptibleBy(ctx, log, ends...)
}

// interruptibleBy is interruptible by those signals.
func interruptibleBy(ctx context.Context, log *slog.Logger, ends ...os.Signal) (_ context.Context, immediately <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	signals, second := make(chan os.Signal, 2), make(chan struct{})
	earlysignals.Notify(signals, ends...)
	done := make(chan struct{})
	go func() {
		for count := 0; count < 2; count++ {
			var received os.Signal
			select {
			case received = <-signals:
			case <-done:
				return
			}
			if log != nil {
				log.Info("signal received", "signal", received.String(), "immediately", count > 0)
			}
			if count == 0 {
				cancel(fmt.Errorf("signal received: %v", received))
			} else {
				close(second)
			}
		}
	}()
	return ctx, second, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
