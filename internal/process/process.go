// Package process starts programs so that they reliably end: each leads a process group that ends with it, and none
// outlives its parent if the system supports that. A parent can also replace its own program, and take over the
// programs that it has started.
//
// The package's one invariant: after Done is closed, no process of the program's group is left.
package process

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// signalled is what shells add to a signal's number to form an exit status.
const signalled = 128

// Command is what to run.
type Command struct {
	Path   string // an executable, looked up on PATH when it has no slash
	Args   []string
	Env    []string // all of it; nil is this process's own
	Group  int      // the group that the program has besides those of this process, as its first; 0 is none
	Stdout io.Writer
	Stderr io.Writer
	// MaxFiles lets the program open as many files as the system allows it to (setrlimit(2), RLIMIT_NOFILE): its hard limit
	// becomes its soft limit, too. Programs that use select(2) cannot handle more than 1024 files.
	MaxFiles bool
	// Thread starts the program. nil is a thread of its own, with which the program ends.
	Thread *Thread
}

// Process is a program that was started or adopted. Safe for concurrent use.
type Process struct {
	process *os.Process
	outputs []*output
	done    chan struct{} // closes once it has ended; code is set before
	code    int

	mu       sync.Mutex
	ended    bool // it was reaped, or is about to be
	released bool // it is another's to reap
}

// Start starts c. The error names the command and says why it cannot be run.
func Start(c Command) (*Process, error) {
	cmd := exec.Command(c.Path, c.Args...)
	cmd.Env, cmd.SysProcAttr = c.Env, childAttributes()
	cmd.SysProcAttr.Credential = credential(c.Group)
	p := &Process{done: make(chan struct{})}
	if err := p.connect(c, cmd); err != nil {
		return nil, commandError(c.Path, err)
	}
	var err error
	if c.Thread != nil {
		err = c.Thread.Do(cmd.Start)
	} else {
		err = startOnThreadOfItsOwn(cmd, p.done)
	}
	p.process = cmd.Process
	p.started(err)
	if err != nil {
		return nil, commandError(c.Path, err)
	}
	if c.MaxFiles {
		raiseFileLimit(p.PID())
	}
	go p.wait()
	return p, nil
}

// startOnThreadOfItsOwn starts cmd on a thread that lasts until ended is closed.
func startOnThreadOfItsOwn(cmd *exec.Cmd, ended <-chan struct{}) error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			<-ended
		}
	}()
	return <-started
}

// credential makes group the first of a child's groups; nil for 0, which leaves them as they are. The child's access to
// files stays as it is, because it keeps the groups of this process.
func credential(group int) *syscall.Credential {
	if group == 0 {
		return nil
	}
	c := &syscall.Credential{Uid: uint32(os.Getuid()), Gid: uint32(group), Groups: []uint32{uint32(os.Getgid())}}
	others, _ := os.Getgroups() // without them the child may only do less
	for _, other := range others {
		c.Groups = append(c.Groups, uint32(other))
	}
	return c
}

// Find returns nil if path leads to a program that can be started.
func Find(path string) error {
	if _, err := exec.LookPath(path); err != nil {
		return commandError(path, err)
	}
	return nil
}

// PID returns the program's process ID, which is also that of its group.
func (p *Process) PID() int { return p.process.Pid }

// Done closes once the program has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Code returns the exit status as a shell does: 128 + n after signal n. Call it only after Done is closed.
func (p *Process) Code() int { return p.code }

// wait reaps the program when it ends, unless it was released before.
func (p *Process) wait() {
	waitWithoutReaping(p.process.Pid)
	p.mu.Lock()
	p.ended = !p.released
	p.mu.Unlock()
	if !p.ended {
		return
	}
	p.code = 1 // if it cannot be known
	if state, err := p.process.Wait(); err == nil {
		p.code = exitCode(state.Sys())
	}
	p.signalGroup(syscall.SIGKILL)
	for _, o := range p.outputs {
		o.finish()
	}
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
func (p *Process) signalGroup(s syscall.Signal) { _ = syscall.Kill(-p.process.Pid, s) }
