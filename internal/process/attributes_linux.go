package process

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// childAttributes puts a child into a process group of its own, and makes the kernel kill it if its parent dies
// without stopping it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// raiseFileLimit raises the soft limit of a process to its hard limit. It goes on with what it has if that is impossible.
func raiseFileLimit(pid int) {
	var limit unix.Rlimit
	if unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &limit) == nil && limit.Cur < limit.Max {
		limit.Cur = limit.Max
		_ = unix.Prlimit(pid, unix.RLIMIT_NOFILE, &limit, nil)
	}
}

// waitWithoutReaping returns when the child has ended. Its status and its process ID remain.
func waitWithoutReaping(pid int) { _ = waitID(pid, unix.WEXITED|unix.WNOWAIT) }

// isChild returns an error if the process is no child of this one. A process ID is not used again before the child is
// reaped.
func isChild(pid int) error {
	if err := waitID(pid, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG); err != nil {
		return fmt.Errorf("is no child of this process: %w", err)
	}
	return nil
}

func waitID(pid, options int) (err error) {
	for {
		if err = unix.Waitid(unix.P_PID, pid, nil, options, nil); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
