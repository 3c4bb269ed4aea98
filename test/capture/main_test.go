//go:build linux

// Package capture tests transparent capture: real programs without proxy settings, on hosts of their own, with a real
// Envoy and a real agent.
package capture

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/doyen-mesh/doyen/test/chaos/lab"
)

// appVariable makes the test binary run as the application of a service; its value is what it answers.
const appVariable = "DOYEN_CAPTURE_APP"

// doyen is the binary under test, built once.
var doyen string

func TestMain(m *testing.M) {
	if name := os.Getenv(appVariable); name != "" {
		runApp(name)
	}
	if lab.Available() == nil {
		lab.Enter()
	}
	os.Exit(buildAndRun(m))
}

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "doyen-capture-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	doyen = filepath.Join(dir, "doyen")
	build := exec.Command("go", "build", "-o", doyen, "../../cmd/doyen")
	build.Stdout, build.Stderr = os.Stdout, os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "build doyen:", err)
		return 1
	}
	return m.Run()
}

// runApp answers with its name on its main port and, after a dot, with that of its port "admin".
func runApp(name string) {
	serve := func(port, answer string) {
		err := http.ListenAndServe("127.0.0.1:"+port, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go serve(os.Getenv("DOYEN_PORT_ADMIN"), "admin."+name)
	serve(os.Getenv("PORT"), name)
}
