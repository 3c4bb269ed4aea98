//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Some faults need a doyen that differs from the real one in how long a lease lasts and in what the clock says.
// Both are changed while it is compiled, so that the product needs no switch for tests.
const (
	realLease = "DefaultLease  = 10 * time.Minute"
	labLease  = "DefaultLease  = 40 * time.Second"

	realNow = "sec, nsec, mono := runtimeNow()\n\tif mono == 0 {"
	labNow  = "sec, nsec, mono := runtimeNow()\n\tsec += WallOffset\n\tif mono == 0 {"
)

// offsetVariable is added to Go's package time. Only the wall clock has the offset, as when an operator sets it.
const offsetVariable = "\n// WallOffset is added to the wall clock, in seconds.\nvar WallOffset int64\n"

// stepClock is added to cmd/doyen: at SIGUSR2 the process's wall clock steps one hour ahead.
const stepClock = `package main

import (
	"os"
	"os/signal"
	"syscall"
	"time"
)

func init() {
	steps := make(chan os.Signal, 1)
	signal.Notify(steps, syscall.SIGUSR2)
	go func() {
		for range steps {
			time.WallOffset += 3600
		}
	}()
}
`

// build compiles doyen into dir and returns its path; with other times if the faults need them. The current folder is
// in the project.
func build(dir string, times bool) (path string, err error) {
	module, err := output("go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return "", err
	}
	args := []string{"build", "-o", filepath.Join(dir, "doyen")}
	if times {
		overlay, err := writeOverlay(dir, module)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	_, err = output("go", append(args, filepath.Join(module, "cmd/doyen"))...)
	return filepath.Join(dir, "doyen"), err
}

// writeOverlay writes what is changed, for the go command's flag -overlay.
func writeOverlay(dir, module string) (path string, err error) {
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	lease := filepath.Join(module, "internal/registry/instance.go")
	clock := filepath.Join(goroot, "src/time/time.go")
	leaseText, err := changed(lease, realLease, labLease)
	if err != nil {
		return "", err
	}
	clockText, err := changed(clock, realNow, labNow)
	if err != nil {
		return "", err
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	for i, o := range []struct{ file, text string }{
		{lease, leaseText},
		{clock, clockText + offsetVariable},
		{filepath.Join(module, "cmd/doyen/step_clock.go"), stepClock},
	} {
		replacement := filepath.Join(dir, fmt.Sprintf("overlay-%d.go", i))
		if err := os.WriteFile(replacement, []byte(o.text), 0o644); err != nil {
			return "", err
		}
		overlay.Replace[o.file] = replacement
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, text, 0o644)
}

// changed is the text of a file with one passage replaced, which must be there once.
func changed(file, from, to string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	if n := strings.Count(string(text), from); n != 1 {
		return "", fmt.Errorf("%s has %q %d times, want once: the lab must be adapted", file, from, n)
	}
	return strings.Replace(string(text), from, to, 1), nil
}

// output runs a command and returns what it prints, without the space around it.
func output(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, exit.Stderr)
	}
	return strings.TrimSpace(string(out)), err
}
