package source

import (
	"os"

	"golang.org/x/sys/unix"
)

// isClosed reports whether the kernel confirms that no process has the file open for writing. Only then does it grant a
// read lease (fcntl(2), F_SETLEASE). It grants leases to the file's owner and to root, on local file systems.
func isClosed(path string) bool {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	defer f.Close() // which releases the lease
	_, err = unix.FcntlInt(f.Fd(), unix.F_SETLEASE, unix.F_RDLCK)
	return err == nil
}
