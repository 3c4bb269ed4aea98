package process

import "syscall"

// childAttributes puts a child into a process group of its own, and makes the kernel kill it if its parent dies
// without stopping it.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
