package process

import (
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/test/machine"
)

// startApp starts one of the test applications and waits until it has written something, if it does.
func startApp(t *testing.T, name string, speaks bool) (*Process, *machine.Output) {
	t.Helper()
	out := &machine.Output{}
	p, err := Start(Command{Path: os.Args[0], Env: append(os.Environ(), testApp+"="+name), Stdout: out, Stderr: out})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(0, nil) })
	if speaks {
		eventually(t, name+" speaks", func() bool { return strings.HasSuffix(out.String(), "\n") })
	}
	return p, out
}

func TestExitStatusIsPassedOn(t *testing.T) {
	for name, want := range map[string]int{"exit3": 3, "suicide": 128 + int(syscall.SIGKILL)} {
		p, _ := startApp(t, name, false)
		<-p.done
		if p.code != want {
			t.Errorf("%s: status %d, want %d", name, p.code, want)
		}
	}
}

func TestStopAsksFirst(t *testing.T) {
	p, _ := startApp(t, "obedient", true)
	p.Stop(time.Minute, nil)
	if p.code != 5 {
		t.Errorf("status %d, want the 5 of an orderly end", p.code)
	}
}

func TestStopKillsAfterGrace(t *testing.T) {
	p, _ := startApp(t, "stubborn", true)
	p.Stop(50*time.Millisecond, nil)
	if want := 128 + int(syscall.SIGKILL); p.code != want {
		t.Errorf("status %d, want %d", p.code, want)
	}
}

func TestStopKillsAtOnceInAHurry(t *testing.T) {
	p, _ := startApp(t, "stubborn", true)
	hurry := make(chan struct{})
	close(hurry)
	started := time.Now()
	p.Stop(time.Minute, hurry)
	if took := time.Since(started); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestGrandchildrenEndWithTheChild(t *testing.T) {
	p, out := startApp(t, "parent", true)
	pid, err := strconv.Atoi(strings.TrimSpace(out.String()))
	if err != nil {
		t.Fatal(err)
	}
	p.Stop(time.Minute, nil)
	eventually(t, "the grandchild is gone", func() bool { return !alive(pid) })
}

func TestCommandsThatCannotStart(t *testing.T) {
	plain := t.TempDir() + "/file"
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"no-such-program":    "there is no such program",
		"/no/such/program":   "there is no such program",
		plain:                "is not executable",
		t.TempDir() + "/../": "is not executable",
	} {
		if _, err := Start(Command{Path: path}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want one that contains %q", path, err, want)
		}
	}
}
