package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestEnvoyHasLimits starts an agent with a low limit of open files: its Envoy may open as many as the system allows.
// Envoy watches how much memory it uses, and would refuse requests and then connections near to its limit.
func TestEnvoyHasLimits(t *testing.T) {
	m := newMesh(t, map[string]string{"users.yaml": loneService})
	low := filepath.Join(t.TempDir(), "doyen")
	if err := os.WriteFile(low, []byte("#!/bin/sh\nulimit -Sn 512\nexec "+doyen+" \"$@\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	i := m.startInstance("users", "users-1", options{program: low, args: []string{"--envoy-memory", "256MiB"}})
	if soft, hard := fileLimits(t, strconv.Itoa(i.envoy(t))); soft != hard || hard == "512" {
		t.Errorf("Envoy's soft limit is %s, its hard limit %s", soft, hard)
	}
	response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/config_dump?resource=&mask=bootstrap.overload_manager", i.admin))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	dump, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{`"268435456"`, "shrink_heap", "stop_accepting_requests", "stop_accepting_connections", `"50000"`} {
		if !strings.Contains(string(dump), text) {
			t.Errorf("%s is not in the overload manager: %s", text, dump)
		}
	}
	eventually(t, "Envoy watches its memory", func() string {
		const pressure = "overload.envoy.resource_monitors.fixed_heap.pressure"
		if used := stats(t, i.admin, pressure)[pressure]; used == 0 || used >= 90 {
			return fmt.Sprintf("%d %% of the limit", used)
		}
		return ""
	})
}

// fileLimits are the soft and the hard limit of open files of a process.
func fileLimits(t *testing.T, pid string) (soft, hard string) {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Max open files"); ok {
			fields := strings.Fields(rest)
			return fields[0], fields[1]
		}
	}
	t.Fatal("it has no limit of open files")
	return "", ""
}
