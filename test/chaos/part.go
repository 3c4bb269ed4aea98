//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/test/chaos/lab"
)

// stopGrace is how long a part may take to stop in an orderly way.
const stopGrace = 20 * time.Second

// attemptLimit bounds one attempt of eventually.
const attemptLimit = 2 * time.Second

// part is one program on a host of its own, which can be started again and again in the same way.
type part struct {
	name    string
	host    *lab.Host
	command process.Command
	log     string // path of the file with its output
	process *process.Process
}

func (p *part) start() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close() // the program has its own
	c := p.command
	c.Stderr = log
	if c.Stdout == nil {
		c.Stdout = log
	}
	p.process, err = p.host.Start(c)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	return nil
}

// kill ends the part at once; the kernel ends the programs that it started.
func (p *part) kill() { p.process.Kill() }

// stop ends the part in an orderly way.
func (p *part) stop() { p.process.Stop(stopGrace, nil) }

// upgradeLimit bounds how long an agent may take to replace its program.
const upgradeLimit = 30 * time.Second

// upgraded is what an agent logs when it has replaced its program.
const upgraded = "going on with the programs that run"

// upgrade makes an agent replace its own program, and waits until it has.
func (p *part) upgrade(ctx context.Context) error {
	times := func() (int, error) {
		text, err := os.ReadFile(p.log)
		return strings.Count(string(text), upgraded), err
	}
	before, err := times()
	if err != nil {
		return err
	}
	p.process.Signal(syscall.SIGHUP)
	_, _, err = eventually(ctx, upgradeLimit, func(context.Context) error {
		now, err := times()
		if err == nil && now == before {
			err = fmt.Errorf("%s was not upgraded", p.name)
		}
		return err
	})
	return err
}

// restart starts the part again after it has ended.
func (p *part) restart() error {
	<-p.process.Done()
	return p.start()
}

// running is nil while the part's program runs; else it quotes the end of its log.
func (p *part) running() error {
	select {
	case <-p.process.Done():
	default:
		return nil
	}
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err
	}
	const most = 600
	return fmt.Errorf("%s ended with status %d: %s", p.name, p.process.Code(), strings.TrimSpace(string(text[max(0, len(text)-most):])))
}

func (p *part) freeze(ctx context.Context) error { return p.host.Signal(ctx, syscall.SIGSTOP) }
func (p *part) thaw(ctx context.Context) error   { return p.host.Signal(ctx, syscall.SIGCONT) }

// killOnly kills one program of the part's host.
func (p *part) killOnly(ctx context.Context, program string) error {
	return p.host.Signal(ctx, syscall.SIGKILL, filepath.Base(program))
}

// eventually calls f until it returns nil, for limit at most. It returns how long that took, and the last error
// before that.
func eventually(ctx context.Context, limit time.Duration, f func(context.Context) error) (took time.Duration, last, err error) {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		attempt, cancel := context.WithTimeout(ctx, attemptLimit)
		err := f(attempt)
		cancel()
		if err == nil {
			return time.Since(began), last, nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return time.Since(began), last, fmt.Errorf("not within %v: %w", limit, last)
		case <-ticker.C:
		}
	}
}
