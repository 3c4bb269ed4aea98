package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// testApp makes the test binary run as one of the programs below; its value names the program.
const testApp = "DOYEN_PROCESS_TEST_APP"

// The program that replaces itself needs the main thread.
func init() {
	if os.Getenv(testApp) != "" {
		runtime.LockOSThread()
	}
}

func TestMain(m *testing.M) {
	if name := os.Getenv(testApp); name != "" {
		os.Exit(apps()[name]())
	}
	goleak.VerifyTestMain(m)
}

// apps are the programs that tests run.
func apps() map[string]func() int {
	return map[string]func() int{
		"exit3":    func() int { return 3 },
		"obedient": obedient,
		"stubborn": stubborn,
		"parent":   parent,
		"suicide":  suicide,
		"replaced": replaced,
		"starter":  starter,
	}
}

// obedient exits with status 5 on SIGTERM.
func obedient() int {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	fmt.Println("up")
	<-terminated
	return 5
}

// stubborn ignores SIGTERM.
func stubborn() int {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("up")
	time.Sleep(time.Hour)
	return 1
}

// parent starts a stubborn child, prints its process ID, and ends on SIGTERM as by default.
func parent() int {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), testApp+"=stubborn")
	out, err := child.StdoutPipe()
	if err != nil || child.Start() != nil {
		return 1
	}
	_, _ = out.Read(make([]byte, 1)) // it ignores SIGTERM from now on
	fmt.Println(child.Process.Pid)
	time.Sleep(time.Hour)
	return 1
}

func suicide() int {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	time.Sleep(time.Hour)
	return 1
}

// alive reports whether a process exists and is no zombie.
func alive(pid int) bool {
	state, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	var id int
	var name, status string
	_, _ = fmt.Sscan(string(state), &id, &name, &status)
	return status != "Z" && status != "X"
}

// eventually waits until f reports true.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !f(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s still not: %s", what)
		}
	}
}
