package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"golang.org/x/sys/unix"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// ChildArgument is the first argument of this program in a server process; the second is the kind.
const ChildArgument = "serve"

// Process is a server in a process of its own.
type Process struct {
	Address string // where it serves xDS

	command *exec.Cmd
	in      io.WriteCloser
	write   *json.Encoder
	read    *json.Decoder
}

// Start starts a server of a kind and returns when it accepts. [Process.Stop] must be called.
func Start(ctx context.Context, kind string, shape workload.Shape) (*Process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p := &Process{command: exec.CommandContext(ctx, self, ChildArgument, kind)}
	p.command.Stderr = os.Stderr
	if p.in, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	p.write, p.read = json.NewEncoder(p.in), json.NewDecoder(out)
	answer, err := p.exchange(shape)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", kind, err), p.Stop())
	}
	p.Address = answer.Address
	return p, nil
}

// Stop ends the process and waits for it.
func (p *Process) Stop() error {
	return errors.Join(p.in.Close(), p.command.Wait())
}

// PID is the process's ID.
func (p *Process) PID() int { return p.command.Process.Pid }

// Prepare makes the bytes of the next change, so that publishing it is all that is measured.
func (p *Process) Prepare() error {
	_, err := p.exchange(Command{Do: doPrepare})
	return err
}

// Publish publishes what was prepared.
func (p *Process) Publish() (Changes, error) {
	answer, err := p.exchange(Command{Do: doPublish})
	return answer.Changes, err
}

// Rate makes changes, one at each tick.
func (p *Process) Rate(every, length time.Duration) (Changes, error) {
	answer, err := p.exchange(Command{Do: doRate, Every: every, For: length})
	return answer.Changes, err
}

// Memory collects garbage in the process and measures it.
func (p *Process) Memory() (Memory, error) {
	answer, err := p.exchange(Command{Do: doMemory})
	return answer.Memory, err
}

// Versions of everything it has, by type URL and name.
func (p *Process) Versions() (map[string]map[string]string, error) {
	answer, err := p.exchange(Command{Do: doVersions})
	return answer.Versions, err
}

// Profile begins a CPU profile, or ends it and writes path.cpu and path.heap.
func (p *Process) Profile(path string) error {
	_, err := p.exchange(Command{Do: doProfile, Path: path})
	return err
}

func (p *Process) exchange(value any) (Answer, error) {
	var answer Answer
	if err := p.write.Encode(value); err != nil {
		return answer, err
	}
	if err := p.read.Decode(&answer); err != nil {
		return answer, fmt.Errorf("no answer: %w", err)
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}

// CPU is the processor time that the process has used, in user and kernel together. It is read
// from the process's clock, which costs the process nothing.
func (p *Process) CPU() (time.Duration, error) { return CPU(p.PID()) }

// CPU is the processor time that a process has used.
func CPU(pid int) (time.Duration, error) {
	const schedulerClock = 2 // CPUCLOCK_SCHED, clock_getcpuclockid(3)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|schedulerClock), &t); err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// Settle is [Settle] of the process.
func (p *Process) Settle(ctx context.Context) (time.Duration, error) { return Settle(ctx, p.PID()) }

// Settle returns the processor time when a process has come to rest: when it used less than a
// hundredth of a core for three looks one after the other, or ctx ends.
func Settle(ctx context.Context, pid int) (time.Duration, error) {
	const interval, looks = 25 * time.Millisecond, 3
	last, err := CPU(pid)
	for quiet := 0; err == nil && quiet < looks; {
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("the server does not come to rest: %w", ctx.Err())
		case <-time.After(interval):
		}
		var now time.Duration
		if now, err = CPU(pid); now-last < interval/100 {
			quiet++
		} else {
			quiet = 0
		}
		last = now
	}
	return last, err
}
