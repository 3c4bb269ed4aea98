//go:build !linux

package process

import "syscall"

// childAttributes puts a child into a process group of its own. Without PR_SET_PDEATHSIG, children outlive a parent
// that is killed with SIGKILL.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
