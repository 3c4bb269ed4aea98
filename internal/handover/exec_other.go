//go:build !linux

package handover

import "github.com/doyen-mesh/doyen/internal/process"

// Exec is possible on Linux only.
func (p Program) Exec(*process.Thread, Offer) error { return errUnsupported }

// Unblock has nothing to do.
func Unblock(*process.Thread) error { return nil }

func setInherited(int, bool) error { return errUnsupported }
