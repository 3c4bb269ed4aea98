//go:build linux

package process

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The variables that tell a program what the one before it has started.
const (
	adoptPID  = "DOYEN_PROCESS_TEST_PID"
	adoptPipe = "DOYEN_PROCESS_TEST_PIPE"
	strayPID  = "DOYEN_PROCESS_TEST_STRAY"
)

// through is a writer that is no file, so that a pipe leads to it.
type through struct{ io.Writer }

// replaced starts two programs, one on its main thread and one on another, and replaces its own program. What follows
// adopts the first, asks it to end, and says how it has ended and whether the other was killed.
func replaced() int {
	t := NewThread()
	return t.Run(func() int {
		echo := Command{Path: os.Args[0], Env: append(os.Environ(), testApp+"=obedient"), Stdout: through{os.Stdout}, Thread: t}
		if os.Getenv(adoptPID) != "" {
			return adopter(echo)
		}
		p, err := Start(echo)
		if err != nil {
			return report(err)
		}
		stray := echo
		stray.Thread, stray.Stdout = nil, nil
		other, err := Start(stray)
		if err != nil {
			return report(err)
		}
		_, _ = fmt.Scanln() // until the first program is up
		r, ok := p.Release()
		if !ok {
			return report(fmt.Errorf("it has ended"))
		}
		var pipe int
		raw, err := r.Outputs[0].SyscallConn()
		if err == nil {
			err = raw.Control(func(fd uintptr) { pipe = int(fd) })
		}
		if err != nil {
			return report(err)
		}
		if _, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(pipe), syscall.F_SETFD, 0); errno != 0 {
			return report(errno)
		}
		env := append(os.Environ(), fmt.Sprintf("%s=%d", adoptPID, r.PID), fmt.Sprintf("%s=%d", adoptPipe, pipe), fmt.Sprintf("%s=%d", strayPID, other.PID()))
		return report(t.Do(func() error { return syscall.Exec("/proc/self/exe", os.Args, env) }))
	})
}

func adopter(c Command) int {
	pid, pipe, stray := number(adoptPID), number(adoptPipe), number(strayPID)
	if _, err := Adopt(c, Released{PID: pid}); err == nil {
		return report(fmt.Errorf("a program without its pipe was adopted"))
	}
	if _, err := Adopt(Command{}, Released{PID: os.Getppid()}); err == nil {
		return report(fmt.Errorf("a stranger was adopted"))
	}
	p, err := Adopt(c, Released{PID: pid, Outputs: []*os.File{os.NewFile(uintptr(pipe), "pipe")}})
	if err != nil {
		return report(err)
	}
	lost, err := Adopt(Command{}, Released{PID: stray})
	if err != nil {
		return report(err)
	}
	<-lost.Done()
	p.Signal(syscall.SIGTERM)
	<-p.Done()
	fmt.Printf("adopted ended with %d, other with %d\n", p.Code(), lost.Code())
	return 0
}

func number(variable string) int {
	n, _ := strconv.Atoi(os.Getenv(variable))
	return n
}

func report(err error) int {
	fmt.Println(err)
	return 1
}

// TestProgramsOutliveTheReplacementOfTheirParent: a program that was started on the main thread runs on when its
// parent executes another program, which reads what it writes and learns its status. One that was started on another
// thread is killed, which is why there is a Thread.
func TestProgramsOutliveTheReplacementOfTheirParent(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), testApp+"=replaced")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	up := make([]byte, len("up\n"))
	if _, err := io.ReadFull(out, up); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintln(in); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil || strings.TrimSpace(string(rest)) != "adopted ended with 5, other with 137" {
		t.Errorf("%q, %v", rest, err)
	}
}

// TestReleaseOfAnEndedProgram: there is nothing to adopt.
func TestReleaseOfAnEndedProgram(t *testing.T) {
	p, _ := startApp(t, "exit3", false)
	<-p.Done()
	if _, ok := p.Release(); ok || p.Code() != 3 {
		t.Errorf("released %v, status %d", ok, p.Code())
	}
}
