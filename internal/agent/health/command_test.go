package health

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommandSaysWhatIsWrong(t *testing.T) {
	for line, want := range map[string]string{
		"true":                 "",
		"echo fine; exit 0":    "",
		`test "$WORD" = given`: "",
		"exit 3":               "health command exited with status 3",
		"echo; echo ' no disk'; echo more; false":       "health command exited with status 1: no disk",
		"echo to stderr >&2; false":                     "health command exited with status 1: to stderr",
		"/no/such/program":                              "status 127: ",
		"kill -9 $$":                                    "health command exited with status 137",
		"yes | head -c 1000000; exit 2":                 "health command exited with status 2: y",
		"head -c 1000000 /dev/zero | tr '\\0' x; false": "status 1: " + strings.Repeat("x", maxLine),
	} {
		p := Prober{}.WithCommand(line, 20*time.Second, func() ([]string, error) { return append(os.Environ(), "WORD=given"), nil })
		err := p.Once(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error = %v, want %q", line, err, want)
		}
		if err != nil && len(err.Error()) > maxLine+100 {
			t.Errorf("%s: an error of %d bytes", line, len(err.Error()))
		}
	}
}

// TestCommandIsKilledWithItsChildren: a command that hangs ends at its timeout, and so do its children, also those that
// keep its output open.
func TestCommandIsKilledWithItsChildren(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	line := "sleep 1000 & echo $! > " + file + "; echo waiting; wait"
	p := Prober{}.WithCommand(line, 300*time.Millisecond, func() ([]string, error) { return os.Environ(), nil })
	err := p.Once(t.Context())
	if want := "health command did not exit within 300ms: waiting"; err == nil || err.Error() != want {
		t.Errorf("error = %v, want %s", err, want)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); syscall.Kill(pid, 0) == nil && !isZombie(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the child %d still runs", pid)
		}
	}
}

// isZombie reports whether a process has ended and waits for its parent.
func isZombie(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}
