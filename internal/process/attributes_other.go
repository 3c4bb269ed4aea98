//go:build !linux

package process

import (
	"errors"
	"syscall"
)

// childAttributes puts a child into a process group of its own. Without PR_SET_PDEATHSIG, children outlive a parent
// that is killed with SIGKILL.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// raiseFileLimit does nothing: the limit of another process cannot be changed here.
func raiseFileLimit(int) {}

// waitWithoutReaping returns at once: a child cannot be released here.
func waitWithoutReaping(int) {}

func isChild(int) error { return errors.New("programs are taken over on Linux only") }
