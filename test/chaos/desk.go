//go:build linux

package main

import (
	"context"
	"errors"
	"time"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// copyLimit is how long a program may take until its first answer when its agent has only the copy on disk.
const copyLimit = 2 * time.Second

// restartDesk kills the gRPC program that calls, and starts it again with its agent, which ends with it. Its calls have
// to be answered again before the servers are back.
func restartDesk(ctx context.Context, f *fleet) error {
	desk := f.loads[1]
	if err := desk.part.killOnly(ctx, f.self); err != nil {
		return err
	}
	if err := desk.restart(); err != nil {
		return err
	}
	_, _, err := eventually(ctx, copyLimit, func(context.Context) error {
		if desk.meter.Figures().Sent == 0 {
			return errors.New("no call of the restarted gRPC program is answered")
		}
		return nil
	})
	return err
}

// restart starts the program that sends the load again. It counts from zero; what the one before counted is kept.
func (l *load) restart() error {
	<-l.part.process.Done()
	l.before = l.figures()
	l.meter = &traffic.Meter{}
	l.part.command.Stdout = &traffic.Reader{Meter: l.meter}
	return l.part.start()
}

// figures are those of all programs that have sent the load.
func (l *load) figures() traffic.Figures {
	now := l.meter.Figures()
	now.Sent += l.before.Sent
	now.Failed += l.before.Failed
	return now
}
