package agent

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

// signalled is what a shell adds to a signal's number to make an exit status of it.
const signalled = 128

// pipeGrace is how long output may still come from grandchildren after a child has ended.
const pipeGrace = time.Second

// command is what to run as a child.
type command struct {
	path   string // an executable, looked up on PATH when it has no slash
	args   []string
	env    []string // all of it; nil is the agent's own
	stdout io.Writer
	stderr io.Writer
}

// process is a child that was started. It leads a process group of its own, so that whatever it
// starts can be stopped with it and ends with it, and it cannot outlive the agent where the system
// offers that.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closes once the child has ended; code is set before
	code int           // its exit status as a shell tells it
}

// start starts c. The error names the command and says what to do about it where that is known.
func start(c command) (*process, error) {
	cmd := exec.Command(c.path, c.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = c.env, c.stdout, c.stderr
	cmd.SysProcAttr = childAttributes()
	cmd.WaitDelay = pipeGrace
	p := &process{cmd: cmd, done: make(chan struct{})}
	started := make(chan error)
	go p.supervise(started)
	if err := <-started; err != nil {
		return nil, commandError(c.path, err)
	}
	return p, nil
}

// supervise starts the child and waits for its end on one thread of the system: the kernel counts
// that thread, not the process, as the parent whose death kills the child (prctl(2), PR_SET_PDEATHSIG).
func (p *process) supervise(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.cmd.Start()
	started <- err
	if err != nil {
		return
	}
	// The error repeats the status, or says that a grandchild kept a pipe open, which is no fault.
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

// stop asks the child's whole group to end, waits until the child has or until grace has passed or
// hurry is closed, and kills what is left. It returns when the child has ended.
func (p *process) stop(grace time.Duration, hurry <-chan struct{}) {
	p.signal(syscall.SIGTERM)
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	select {
	case <-p.done:
		return
	case <-deadline.C:
	case <-hurry:
	}
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal sends s to the whole group while the child lives.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.done:
	default:
		p.signalGroup(s)
	}
}

// signalGroup sends s to whoever is in the child's group. The only error there can be is that nobody is.
func (p *process) signalGroup(s syscall.Signal) { _ = syscall.Kill(-p.cmd.Process.Pid, s) }
