//go:build linux

// Package lab joins hosts of its own, made of network namespaces, in one small network, and pulls its cables.
//
// Everything lives in namespaces that only the calling program has. When the program ends, in whatever way, the kernel
// ends its processes and removes the hosts.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
)

// inside marks the program that runs in the lab.
const inside = "DOYEN_LAB"

// Enter runs the calling program again in namespaces of its own and ends with its exit status. In that program, Enter
// prepares the namespaces and returns. It must be the first thing that the program does.
func Enter() {
	if os.Getenv(inside) != "" {
		if err := prepare(); err != nil {
			fmt.Fprintf(os.Stderr, "lab: %v\n", err)
			os.Exit(1)
		}
		return
	}
	code, err := again()
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: cannot make namespaces: %v\n", err)
	}
	os.Exit(code)
}

// Available is nil if this machine can run a lab.
func Available() error {
	if os.Getuid() != 0 {
		return errors.New("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "tc"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%q is missing: install iproute2 and nftables", tool)
		}
	}
	return nil
}

// again runs this program again, as the first process of namespaces for processes, mounts and the network.
func again() (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	runtime.LockOSThread() // the kernel counts this thread as the parent whose death kills the child
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID,
		Pdeathsig:  syscall.SIGKILL,
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		return 1, err
	}
	go func() {
		for s := range signals {
			_ = cmd.Process.Signal(s)
		}
	}()
	var exit *exec.ExitError
	if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
		return 1, err
	}
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		return code, nil
	}
	return 1, nil // ended by a signal
}

// prepare mounts what the tools and programs in the lab expect.
func prepare() error {
	for _, m := range []struct {
		source, target, kind string
		flags                uintptr
	}{
		{"none", "/", "", syscall.MS_REC | syscall.MS_PRIVATE}, // mounts stay in the lab
		{"proc", "/proc", "proc", 0},                           // shows the lab's processes
		{"run", "/run", "tmpfs", 0},                            // has the names of network namespaces
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	return nil
}
