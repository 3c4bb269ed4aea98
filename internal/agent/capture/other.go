//go:build !linux

package capture

import (
	"errors"
	"net"
)

var marked net.Dialer

func permitted() error { return errors.New("capture: works on Linux only") }
