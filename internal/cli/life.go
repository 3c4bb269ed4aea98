package cli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"github.com/doyen-mesh/doyen/internal/agent"
	"github.com/doyen-mesh/doyen/internal/earlysignals"
)

// life is what signals do to an agent.
type life struct {
	ctx         context.Context // ends when the agent is to end
	immediately <-chan struct{} // closes when it is to hurry
	succession  *agent.Succession
	stop        func() // restores the default handling of signals
}

// startLife handles the signals of an agent: SIGTERM and SIGINT end it, and SIGHUP makes it replace its own program. In a
// terminal SIGHUP says that the terminal is gone, and ends the agent. It does nothing while it is ignored, as under nohup.
func (i Invocation) startLife(ctx context.Context, log *slog.Logger) life {
	ignoresHangups := i.ignoresHangups()
	if i.Thread == nil || inTerminal() {
		ctx, immediately, stop := interruptible(ctx, log)
		return i.follow(life{ctx: ctx, immediately: immediately, stop: stop}, nil)
	}
	ctx, immediately, stop := interruptibleBy(ctx, log, syscall.SIGTERM, os.Interrupt)
	hangups, requests, done := make(chan os.Signal, 1), make(chan struct{}, 1), make(chan struct{})
	if !ignoresHangups {
		earlysignals.Notify(hangups, syscall.SIGHUP)
	}
	go func() {
		for {
			select {
			case <-hangups:
				log.Info("signal received", "signal", syscall.SIGHUP.String())
				select {
				case requests <- struct{}{}:
				default:
				}
			case <-done:
				return
			}
		}
	}()
	return i.follow(life{ctx: ctx, immediately: immediately, stop: func() {
		signal.Stop(hangups)
		close(done)
		stop()
	}}, requests)
}

// ignoresHangups reports whether this process ignores SIGHUP, as under nohup. The program before this one ignores it at
// its end, so it says what was so before.
func (i Invocation) ignoresHangups() bool {
	if i.Inherited == nil {
		return signal.Ignored(syscall.SIGHUP)
	}
	if i.Inherited.IgnoresHangups {
		signal.Ignore(syscall.SIGHUP)
	}
	return i.Inherited.IgnoresHangups
}

// follow completes l: it ends at once if the program before was asked to end.
func (i Invocation) follow(l life, requests <-chan struct{}) life {
	if i.Thread == nil {
		return l
	}
	l.succession = &agent.Succession{Inherited: i.Inherited, Thread: i.Thread, Requests: requests}
	if i.Inherited != nil && i.Inherited.Stopping {
		var end context.CancelFunc
		l.ctx, end = context.WithCancel(l.ctx)
		end()
	}
	return l
}

// inTerminal reports whether this program was started in a terminal.
func inTerminal() bool {
	for _, file := range []*os.File{os.Stdin, os.Stdout, os.Stderr} {
		if term.IsTerminal(int(file.Fd())) {
			return true
		}
	}
	return false
}
