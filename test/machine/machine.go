// Package machine finds what tests need of the machine they run on: an Envoy, and free ports.
package machine

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

// Envoy returns the path of the Envoy to test with: DOYEN_ENVOY, else the one on PATH, else the one that
// make fetched. Where there is none the test is skipped, and fails where DOYEN_TEST_ALL is 1.
func Envoy(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("DOYEN_ENVOY"); path != "" {
		return path
	}
	if path, err := exec.LookPath("envoy"); err == nil {
		return path
	}
	if path := filepath.Join(root(t), ".cache", "envoy", "envoy"); isFile(path) {
		return path
	}
	Missing(t, "there is no Envoy: set DOYEN_ENVOY, or let make test bring one")
	return ""
}

// Missing skips a test for want of a tool, and fails it where DOYEN_TEST_ALL is 1.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("DOYEN_TEST_ALL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// root is the project's folder, in which the test's own is.
func root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !isFile(filepath.Join(folder, "go.mod")) {
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("the test is not in the project's folder")
		}
		folder = parent
	}
	return folder
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// firstPort and lastPort are below the range from which systems take the ports of outgoing connections:
// one of those might be taken between its choice and its use.
const firstPort, lastPort = 10000, 17999

// ports is where the search for free ports goes on. Tests that run side by side begin at different places.
var ports = struct {
	sync.Mutex
	last int
}{last: firstPort + os.Getpid()*37%(lastPort-firstPort)}

// FreePorts returns n ports that are free on loopback, that this process has not been given lately, and
// that no other process's test is given as long as this one runs.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	ports.Lock()
	defer ports.Unlock()
	var free []int
	for range lastPort - firstPort {
		if ports.last++; ports.last > lastPort {
			ports.last = firstPort
		}
		if !isFree(ports.last) || !claim(t, ports.last) {
			continue
		}
		if free = append(free, ports.last); len(free) == n {
			return free
		}
	}
	t.Fatalf("there are no %d free ports from %d to %d", n, firstPort, lastPort)
	return nil
}

func isFree(port int) bool {
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	return err == nil && listener.Close() == nil
}

// claim takes a port for a test, and reports whether no other has it. The claim is a socket with a name
// outside of the file system, which only Linux knows: it is gone with the process, however that ends.
func claim(t testing.TB, port int) bool {
	if runtime.GOOS != "linux" {
		return true
	}
	held, err := net.Listen("unix", fmt.Sprintf("@doyen-test-port-%d", port))
	if err != nil {
		return false
	}
	t.Cleanup(func() { held.Close() })
	return true
}
