//go:build !linux

package handover

import "github.com/doyen-mesh/doyen/internal/process"

// Exec is possible on Linux only.
func (p Program) Exec(*process.Thread, Offer) error { return errUnsupported }

func setInherited(int, bool) error { return errUnsupported }
