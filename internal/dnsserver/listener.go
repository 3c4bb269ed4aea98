package dnsserver

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// acceptPause is the pause after a connection that could not be accepted for lack of something.
const acceptPause = 50 * time.Millisecond

// pausingListener pauses when the process has no file descriptor left, or the system no memory: the DNS library tries
// again at once, and would use up a core until there is.
type pausingListener struct{ net.Listener }

// Accept implements net.Listener.
func (l pausingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	for _, lack := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, lack) {
			time.Sleep(acceptPause)
		}
	}
	return conn, err
}
