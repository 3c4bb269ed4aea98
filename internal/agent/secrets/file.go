package secrets

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

// maxFile is the most that is read of a file, in bytes. The authorities of an operating system have about 0.2 MB.
const maxFile = 1 << 20

// settled is how old a file is that is certainly not being written.
const settled = 2 * time.Second

// patience is how long files that do not answer are waited for: those that a kernel or another machine fills.
const patience = time.Second

// version is what shows that a file, behind any links, is another one or has changed.
type version struct {
	info fs.FileInfo // nil when there is none
	err  string
}

func versionsOf(files []string) []version {
	all := make([]version, len(files))
	for i, file := range files {
		info, err := os.Stat(file)
		all[i] = version{info, text(err)}
		if err != nil {
			all[i].info = nil
		}
	}
	return all
}

func (v version) equal(w version) bool {
	if v.info == nil || w.info == nil {
		return v.info == nil && w.info == nil && v.err == w.err
	}
	return os.SameFile(v.info, w.info) && v.info.Size() == w.info.Size() && v.info.ModTime().Equal(w.info.ModTime()) && v.info.Mode() == w.info.Mode()
}

// areOld says whether no file has changed lately. One that is not there has not.
func areOld(all []version, now time.Time) bool {
	for _, v := range all {
		if v.info != nil && now.Sub(v.info.ModTime()) < settled {
			return false
		}
	}
	return true
}

// readFile reads a regular file. It never waits for a writer, as reading a pipe does.
func readFile(name string) ([]byte, error) {
	info, err := os.Stat(name) // opening a device can have effects
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is a %s: want a regular file", name, kind(info.Mode()))
	}
	if err != nil {
		return nil, explain(name, err)
	}
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, explain(name, err)
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: it is being replaced", name)
	}
	_ = file.SetReadDeadline(time.Now().Add(patience)) // some files of /proc look regular, and make readers wait
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return nil, explain(name, err)
	case len(content) > maxFile:
		return nil, fmt.Errorf("%s: it has more than %d bytes", name, maxFile)
	}
	return content, nil
}

// explain is an error of the system with what is needed to correct it.
func explain(name string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%s: %w: the agent runs as %s", name, err, runsAs())
	}
	return fmt.Errorf("%s: %w", name, err)
}

// runsAs names the user as whom the agent reads files.
func runsAs() string {
	id := os.Geteuid()
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return fmt.Sprintf("%s (user %d)", u.Username, id)
	}
	return fmt.Sprintf("user %d", id)
}

func kind(mode fs.FileMode) string {
	switch {
	case mode.IsDir():
		return "folder"
	case mode&fs.ModeNamedPipe != 0:
		return "pipe"
	case mode&fs.ModeSocket != 0:
		return "socket"
	default:
		return "device"
	}
}
