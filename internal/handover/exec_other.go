//go:build !linux

package handover

import (
	"errors"

	"github.com/doyen-mesh/doyen/internal/process"
)

var errUnsupported = errors.New("a program is replaced on Linux only")

// Exec is possible on Linux only.
func (p Program) Exec(*process.Thread, Offer) error { return errUnsupported }

func setInherited(int, bool) error { return errUnsupported }
