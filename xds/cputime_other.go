//go:build !unix

package xds

import "time"

// cpuTime returns the processor time that the process has used, false when it is not known.
func cpuTime() (time.Duration, bool) { return 0, false }
