package e2e

import (
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/test/machine"
)

// patience limits every wait of these tests. It is long because two cores run many Envoys; no test waits until it has
// passed.
const patience = 60 * time.Second

// process is a program that the test runs. It ends with the test at the latest.
type process struct {
	*exec.Cmd
	name   string
	output *machine.Output
	ended  chan struct{} // closed once it has been reaped
	last   func()        // runs once before the test ends it; never nil
}

// start runs a program in a process group of its own, so that no process of it outlives the test.
func start(t *testing.T, name string, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{Cmd: exec.Command(path, args...), name: name, output: &machine.Output{}, ended: make(chan struct{}), last: func() {}}
	p.Env = append(append(os.Environ(), "DOYEN_ENVOY="+machine.Envoy(t)), env...)
	p.Stdout, p.Stderr = p.output, p.output
	p.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		_ = p.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("--- output of %s\n%s", name, p.output.Tail(4000))
		}
	})
	return p
}

// kill kills the program and everything that it started with SIGKILL, as if the machine had failed.
func (p *process) kill() {
	p.last()
	_ = syscall.Kill(-p.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// terminate sends SIGTERM and returns without waiting.
func (p *process) terminate() {
	p.last()
	_ = p.Process.Signal(syscall.SIGTERM)
}

// atLast makes check run once, just before the test ends the program. It does not run if the program has ended by
// itself.
func (p *process) atLast(check func()) {
	p.last = sync.OnceFunc(func() {
		select {
		case <-p.ended:
		default:
			check()
		}
	})
}

// provokes says that the test makes this proxy reject something, so it need not be clean at the end.
func (p *process) provokes() { p.last = func() {} }

// wait returns the exit status, and fails the test if the program does not end in time.
func (p *process) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s did not end within %v", p.name, patience)
		return -1
	}
}

// eventually waits until check returns "", and fails the test with the last result at the deadline.
func eventually(t *testing.T, what string, check func() string) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		why := check()
		if why == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v: %s", what, patience, why)
		}
		time.Sleep(20 * time.Millisecond) // between two looks at the condition
	}
}
