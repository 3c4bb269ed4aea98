package process

import (
	"errors"
	"fmt"
	"os"
)

// ErrReleased is the cause with which contexts end when programs are to run on without those who watch them: this
// program is about to be replaced.
var ErrReleased = errors.New("the program is being replaced")

// Released is a program that was let go of.
type Released struct {
	PID     int
	Outputs []*os.File // the pipes from which it is read
}

// Release lets go of a running program: it runs on, and nothing here watches it, reads what it writes or reaps it any more. It reports false if
// the program has ended. The program that follows this one in the same process adopts it.
func (p *Process) Release() (Released, bool) {
	p.mu.Lock()
	p.released = !p.ended
	p.mu.Unlock()
	if !p.released {
		<-p.done
		return Released{}, false
	}
	r := Released{PID: p.PID()}
	for _, o := range p.outputs {
		o.stop()
		r.Outputs = append(r.Outputs, o.read)
	}
	return r, true
}

// Adopt takes over a program that this process has started before its own program was replaced. c is what it was
// started as; only its writers are used. A program that has ended meanwhile is adopted too, and is done at once.
func Adopt(c Command, r Released) (*Process, error) {
	writers := c.writers()
	if len(writers) != len(r.Outputs) {
		return nil, fmt.Errorf("process %d: it was handed over with %d pipes, want %d", r.PID, len(r.Outputs), len(writers))
	}
	if err := isChild(r.PID); err != nil {
		return nil, fmt.Errorf("process %d: %w", r.PID, err)
	}
	process, err := os.FindProcess(r.PID)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", r.PID, err)
	}
	p := &Process{process: process, done: make(chan struct{})}
	for i, read := range r.Outputs {
		o := &output{to: writers[i], read: read, copied: make(chan struct{})}
		p.outputs = append(p.outputs, o)
		go o.copy()
	}
	go p.wait()
	return p, nil
}
