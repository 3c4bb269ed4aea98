// Package machine provides what tests need of the machine on which they run: an Envoy, and free ports.
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

// Envoy returns the path of the Envoy to test with: DOYEN_ENVOY, else the one on PATH, else the one that make
// downloaded. Without one the test is skipped, or fails if DOYEN_TEST_ALL is 1.
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

// Cached returns the path of a file in the cache folder, where make installs what tests need; "" if it is not there.
func Cached(t testing.TB, name string) string {
	t.Helper()
	if path := filepath.Join(root(t), ".cache", name); isFile(path) {
		return path
	}
	return ""
}

// Missing skips a test because a tool is missing, or fails it if DOYEN_TEST_ALL is 1.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("DOYEN_TEST_ALL") == "1" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// root returns the project's folder, which contains the test's folder.
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

// firstPort and lastPort are below the range from which systems take ports of outgoing connections. Such a port could
// be taken between its selection and its use.
const firstPort, lastPort = 10000, 17999

// ports is where the search for free ports continues. Tests that run in parallel begin at different ports.
var ports = struct {
	sync.Mutex
	last int
}{last: firstPort + os.Getpid()*37%(lastPort-firstPort)}

// FreePorts returns n ports that are free on loopback, that were not returned to this process recently, and that no
// other process's test gets as long as this one runs.
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

// claim claims a port for a test, and reports whether it succeeded. The claim is an abstract Unix socket, which only
// Linux has: it is released when the process ends in any way.
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
