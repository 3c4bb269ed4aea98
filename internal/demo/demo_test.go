package demo

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/test/machine"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// program builds doyen.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "doyen")
	if out, err := exec.Command("go", "build", "-o", path, "../../cmd/doyen").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

// leftBehind are the processes of the program that still run, by their command lines.
func leftBehind(t *testing.T, program string) []string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if command := string(bytes.ReplaceAll(content, []byte{0}, []byte{' '})); err == nil && strings.Contains(command, program) {
			left = append(left, command)
		}
	}
	return left
}

// TestCheck runs the whole check on a machine where the edge's port is in use: everything passes, and nothing is left
// behind. On an overloaded machine the figures prove nothing, so there it may try again.
func TestCheck(t *testing.T) {
	envoy, doyen := machine.Envoy(t), program(t)
	taken, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", edgePort))
	if err == nil {
		defer taken.Close()
	}
	temporary := t.TempDir()
	out, err := check(t, doyen, envoy, temporary)
	for tries := 1; err != nil && tries < 3 && overloaded(t); tries++ {
		out, err = check(t, doyen, envoy, temporary)
	}
	if err != nil {
		t.Error(err)
	}
	if want := fmt.Sprintf("port %d is taken: the edge is on ", edgePort); !strings.Contains(out, want) {
		t.Errorf("the output does not say %q", want)
	}
	if n := strings.Count(out, "\nok "); n != len(steps())+1 {
		t.Errorf("%d steps are ok, want %d", n, len(steps())+1)
	}
	mustBeGone(t, doyen, temporary)
}

// check runs doyen demo --check and returns what it printed.
func check(t *testing.T, doyen, envoy, temporary string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	cmd := exec.Command(doyen, "demo", "--check", "--envoy", envoy)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.Stdout, cmd.Stderr = &out, &out
	started := time.Now()
	err := cmd.Run()
	took := time.Since(started)
	t.Logf("%v\n%s", took.Round(time.Second), &out)
	if took > 90*time.Second {
		t.Errorf("it took %v, want at most 90 s", took)
	}
	return out.String(), err
}

// overloaded reports whether several programs wait for each core of this machine.
func overloaded(t *testing.T) bool {
	t.Helper()
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return false
	}
	var load float64
	if _, err := fmt.Sscan(string(content), &load); err != nil {
		t.Fatal(err)
	}
	t.Logf("load %v on %d cores", load, runtime.NumCPU())
	return load > 3*float64(runtime.NumCPU())
}

func mustBeGone(t *testing.T, program, temporary string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := leftBehind(t, program)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("left behind: %q", left)
			break
		}
	}
	if files, err := os.ReadDir(temporary); err != nil || len(files) > 0 {
		t.Errorf("left behind: %v, %v", files, err)
	}
}

// TestInterrupt runs the demo as a person does and ends it as a person does.
func TestInterrupt(t *testing.T) {
	envoy, doyen := machine.Envoy(t), program(t)
	temporary, kept := t.TempDir(), t.TempDir()
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(doyen, "demo", "--envoy", envoy, "--dir", kept)
	cmd.Env = append(os.Environ(), "TMPDIR="+temporary)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	text := func() string {
		content, _ := os.ReadFile(out.Name())
		return string(content)
	}
	err = eventually(t.Context(), time.Minute, "figures are shown", func() error {
		if !strings.Contains(text(), "8 in sync") {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil {
		t.Errorf("%v\n%s", err, text())
	}
	for _, want := range []string{"three things to try", "curl http://localhost:", kept + "/edge.yaml", "kill -9 "} {
		if !strings.Contains(text(), want) {
			t.Errorf("the output does not say %q:\n%s", want, text())
		}
	}
	if err := errors.Join(cmd.Process.Signal(syscall.SIGINT), cmd.Wait()); err != nil {
		t.Error(err)
	}
	if want := "stopping everything (signal received: interrupt)"; !strings.Contains(text(), want) {
		t.Errorf("the output does not say %q:\n%s", want, text())
	}
	mustBeGone(t, doyen, temporary)
	if _, err := os.Stat(filepath.Join(kept, "users.yaml")); err != nil {
		t.Errorf("the named folder is not kept: %v", err)
	}
}

func TestEditsAreWholeAndUndone(t *testing.T) {
	d := documents{dir: t.TempDir()}
	if err := d.write(25432); err != nil {
		t.Fatal(err)
	}
	ledger := filepath.Join(d.dir, "ledger.yaml")
	if text, err := os.ReadFile(ledger); err != nil || !strings.Contains(string(text), "port: 25432") {
		t.Errorf("the ledger's port is not the chosen one: %v\n%s", err, text)
	}
	undo, err := d.edit("edge.yaml", "path: /profile, to: users", "path: /profile, to: orders")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(d.dir, "edge.yaml")
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "path: /profile, to: orders") {
		t.Errorf("not edited:\n%s", text)
	}
	if now, other := d.profile(); now != "orders" || other != "users" {
		t.Errorf("/profile leads to %s, and may lead to %s", now, other)
	}
	if err := undo(); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); !strings.Contains(string(text), "path: /profile, to: users") {
		t.Errorf("not undone:\n%s", text)
	}
	if now, other := d.profile(); now != "users" || other != "orders" {
		t.Errorf("/profile leads to %s, and may lead to %s", now, other)
	}
	if _, err := d.edit("edge.yaml", "no such text", ""); err == nil {
		t.Error("an edit of what is not there succeeds")
	}
	if err := os.WriteFile(path, []byte("# mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := d.write(25432); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(path); string(text) != "# mine\n" {
		t.Errorf("a person's document was overwritten:\n%s", text)
	}
}
