// Package datafolder reserves a data folder for one process, because two processes would overwrite each other's data.
package datafolder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/doyen-mesh/doyen/internal/printable"
)

// maxHolder is the largest size of the text about a folder's holder, in bytes.
const maxHolder = 500

// lockFile is the name of the file that is locked.
const lockFile = "lock"

// ErrInUse says that another process has the folder.
var ErrInUse = errors.New("in use")

// Lock locks a folder, which it creates if necessary, until the result is closed or the process ends in any way
// (flock(2)). holder describes this process: if another process tries to lock the folder, its error says so.
func Lock(dir, holder string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = fmt.Errorf("it is %w by %s: stop that one, or use another folder", ErrInUse, holderOf(f))
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data folder %s: %w", dir, err), f.Close())
	}
	// The text is for people only, so a full disk is no reason not to start.
	if f.Truncate(0) == nil {
		_, _ = fmt.Fprintf(f, "%.*s\n", maxHolder, fmt.Sprintf("process %d, %s", os.Getpid(), holder))
	}
	return f, nil
}

// IsUsed reports whether a folder was ever locked.
func IsUsed(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, lockFile))
	return err == nil && info.Mode().IsRegular()
}

// holderOf returns the description of the process that has the lock.
func holderOf(f *os.File) string {
	text, err := io.ReadAll(io.LimitReader(f, maxHolder))
	if holder := strings.TrimSpace(string(text)); err == nil && holder != "" {
		return printable.Text(holder)
	}
	return "another process"
}
