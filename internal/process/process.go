// Package process starts programs so that they reliably end: each leads a process group that ends with it, and none
// outlives its parent if the system supports that.
//
// The package's one invariant: after Done is closed, no process of the program's group is left.
package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// signalled is what shells add to a signal's number to form an exit status.
const signalled = 128

// pipeGrace is how long output of grandchildren is read after a child has ended.
const pipeGrace = time.Second

// Command is what to run.
type Command struct {
	Path   string // an executable, looked up on PATH when it has no slash
	Args   []string
	Env    []string // all of it; nil is this process's own
	Stdout io.Writer
	Stderr io.Writer
}

// Process is a program that was started. Safe for concurrent use.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closes once it has ended; code is set before
	code int
}

// Start starts c. The error names the command and says why it cannot be run.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.Env, c.Stdout, c.Stderr
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = pipeGrace
	p := &Process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.supervise(started)
	if err := <-started; err != nil {
		return nil, commandError(c.Path, err)
	}
	return p, nil
}

// Find returns nil if path leads to a program that can be started.
func Find(path string) error {
	if _, err := exec.LookPath(path); err != nil {
		return commandError(path, err)
	}
	return nil
}

// PID returns the program's process ID, which is also that of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done closes once the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Code returns the exit status as a shell does: 128 + n after signal n. Call it only after Done is closed.
func (p *Process) Code() int { return p.code }

// supervise starts the child and waits for its end on one system thread: the kernel considers that thread, not the
// process, as the parent whose death kills the child (prctl(2), PR_SET_PDEATHSIG).
func (p *Process) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	// The error repeats the status, or says that a grandchild kept a pipe open, which is not an error here.
	_ = p.cmd.Wait()
	p.signalGroup(syscall.SIGKILL)
	p.code = exitCode(p.cmd.ProcessState.Sys())
	close(p.done)
}

func commandError(path string, err error) error {
	switch {
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("command %q: there is no such program", path)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("command %q: is not executable", path)
	default:
		return fmt.Errorf("command %q: %w", path, err)
	}
}

func exitCode(status any) int {
	w, ok := status.(syscall.WaitStatus)
	if ok && w.Signaled() {
		return signalled + int(w.Signal())
	}
	if ok {
		return w.ExitStatus()
	}
	return 1
}

// Stop sends SIGTERM to the program's whole group, waits until the program has ended, or until grace has passed or
// hurry is closed, and kills what is left. It returns when the program has ended.
func (p *Process) Stop(grace time.Duration, hurry <-chan struct{}) {
	p.Signal(syscall.SIGTERM)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	select {
	case <-p.done:
		return
	case <-deadline.C:
	case <-hurry:
	}
	p.Kill()
}

// Kill kills the program's whole group immediately, and returns when the program has ended.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Signal sends s to the whole group while the program runs.
func (p *Process) Signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.signalGroup(s)
	}
}

// signalGroup sends s to all processes of the child's group. The only possible error is that there are none.
func (p *Process) signalGroup(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }
