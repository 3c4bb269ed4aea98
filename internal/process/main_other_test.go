//go:build !linux

package process

// Programs are taken over, and limits of other processes changed, on Linux only.
func replaced() int { return 1 }
func starter() int  { return 1 }
