//go:build !linux

package agent

import "syscall"

// childAttributes puts a child into a group of its own. Without PR_SET_PDEATHSIG, children outlive an
// agent that is killed with SIGKILL.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
