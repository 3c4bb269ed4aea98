//go:build unix

package earlysignals

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"
)

// child makes the test binary a program that follows another one.
const child = "DOYEN_EARLYSIGNALS_TEST"

// A signal of each kind comes while packages are initialized: this variable is initialized after caught.
var _ = func() bool {
	if os.Getenv(child) == "" {
		return caught != nil
	}
	for _, s := range []syscall.Signal{syscall.SIGHUP, syscall.SIGTERM, syscall.SIGTERM} {
		_ = syscall.Kill(os.Getpid(), s)
	}
	return true
}()

func TestMain(m *testing.M) {
	if os.Getenv(child) == "" {
		os.Exit(m.Run())
	}
	time.AfterFunc(time.Minute, func() { os.Exit(1) })
	ends, hangups := make(chan os.Signal, 2), make(chan os.Signal, 1)
	Notify(ends, syscall.SIGTERM, os.Interrupt)
	Notify(hangups, syscall.SIGHUP)
	_, _ = os.Stdout.WriteString((<-ends).String() + " " + (<-hangups).String())
	signal.Stop(ends)
	if len(ends) > 0 {
		_, _ = os.Stdout.WriteString(" again")
	}
	os.Exit(0)
}

// TestEarlySignals: a program that follows another one gets the signals that came before it handled any, each once.
func TestEarlySignals(t *testing.T) {
	out, err := follower(t, Variable+"=7").Output()
	if err != nil || string(out) != "terminated hangup" {
		t.Errorf("%q, %v", out, err)
	}
}

// TestProgramsThatFollowNoOther end at a signal as always.
func TestProgramsThatFollowNoOther(t *testing.T) {
	for _, variable := range []string{Variable + "=", Variable + "=" + Checking} {
		if out, err := follower(t, variable).Output(); err == nil || !strings.Contains(err.Error(), "signal") {
			t.Errorf("%s: %q, %v: want the end by a signal", variable, out, err)
		}
	}
}

func follower(t *testing.T, variable string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), child+"=1", variable)
	return cmd
}

// TestSignalCountsOnce: one that both channels got is one.
func TestSignalCountsOnce(t *testing.T) {
	early := catch("7", syscall.SIGUSR1)
	c := make(chan os.Signal, 2)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(c)
	if err := syscall.Kill(os.Getpid(), syscall.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(10 * time.Second); len(c) == 0 || len(early[syscall.SIGUSR1]) == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no signal")
		}
	}
	notify(early, c, syscall.SIGUSR1, syscall.SIGUSR2)
	if s := <-c; s != syscall.SIGUSR1 || len(c) != 0 {
		t.Errorf("got %v, and %d more", s, len(c))
	}
}
