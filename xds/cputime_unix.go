//go:build unix

package xds

import (
	"syscall"
	"time"
)

// cpuTime returns the processor time that the process has used, false when it is not known.
func cpuTime() (time.Duration, bool) {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0, false
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), true
}
