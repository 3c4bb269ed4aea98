//go:build linux

package capture

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// marked connects without being redirected.
var marked = net.Dialer{Control: func(_, _ string, conn syscall.RawConn) error {
	var failed error
	err := conn.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, mark)
	})
	return errors.Join(err, failed)
}}

// permitted returns an error if this process may not change nftables and mark sockets, or not run Envoy in its group.
func permitted() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData // for 64 capabilities
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	const needed = 1<<unix.CAP_NET_ADMIN | 1<<unix.CAP_SETGID
	if data[0].Effective&needed != needed {
		return errors.New("capture: needs root, or the capabilities CAP_NET_ADMIN and CAP_SETGID")
	}
	return nil
}
