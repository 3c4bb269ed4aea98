// Package e2e runs the doyen binary as users do, with real Envoys and real gRPC clients, and checks where the traffic
// arrives.
//
// Every test starts what it needs on free loopback ports, waits for conditions with deadlines, and leaves no process
// or file behind. The tests hold the promises' figures: at least 200 requests/s on the path concerned, no retries
// anywhere, and a refused or reset connection counts as a failed request.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// doyen is the binary under test, built once.
var doyen string

func TestMain(m *testing.M) {
	if name := os.Getenv(appVariable); name != "" {
		switch os.Getenv(kindVariable) {
		case "grpc":
			runGRPCApp(name)
		case "tcp":
			runTCPApp(name)
		default:
			runApp(name)
		}
		return
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "doyen-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	doyen = filepath.Join(dir, "doyen")
	if err := os.Setenv("XDG_STATE_HOME", filepath.Join(dir, "state")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", doyen, "../../cmd/doyen")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build doyen:", err)
		return 1
	}
	return m.Run()
}
