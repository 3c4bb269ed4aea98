package dnsserver

import (
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a listener with which nothing can be accepted.
type failing struct {
	net.Listener
	err error
}

func (f failing) Accept() (net.Conn, error) { return nil, f.err }

// TestAcceptPauses: a server without file descriptors tries a few times a second, and one that is closed does not wait.
func TestAcceptPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for err, want := range map[error]time.Duration{
			&net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}: 10 * acceptPause,
			net.ErrClosed: 0,
		} {
			start := time.Now()
			for range 10 {
				if _, got := (pausingListener{failing{err: err}}).Accept(); !errors.Is(got, err) {
					t.Errorf("%v, want %v", got, err)
				}
			}
			if took := time.Since(start); took != want {
				t.Errorf("%v: 10 attempts took %v, want %v", err, took, want)
			}
		}
	})
}
