package process

import "syscall"

// childAttributes puts a child into a group of its own and has the kernel kill it when its parent
// dies in a way that leaves it no time to do so itself.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
