package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/doyen-mesh/doyen/internal/process"
)

// own is this program, also when its file was replaced or removed.
const own = "/proc/self/exe"

// Exec replaces this program by p, on the thread that has started the programs that are to run on. It does not return
// unless that is impossible. If p cannot be executed, this program follows itself, and goes on where it was.
//
// Signals that ask a process to end or to replace its program are blocked until the program that follows calls
// [Unblock]: it would die of them before it handles them.
func (p Program) Exec(thread *process.Thread, o Offer) error {
	file, err := o.write()
	if err != nil {
		return err
	}
	descriptors := []int{int(file.Fd())}
	for _, f := range o.Files {
		number, err := descriptorOf(f)
		if err != nil {
			return fmt.Errorf("handover: %w", err)
		}
		descriptors = append(descriptors, number)
	}
	env := append(withoutVariable(p.Env), fmt.Sprintf("%s=%d", Variable, descriptors[0]))
	return thread.Do(func() error {
		for _, number := range descriptors {
			if err := setInherited(number, true); err != nil {
				return fmt.Errorf("handover: descriptor %d: %w", number, err)
			}
		}
		if err := mask(unix.SIG_BLOCK); err != nil {
			return fmt.Errorf("handover: %w", err)
		}
		refused := syscall.Exec(p.Path, p.Args, env)
		return errors.Join(
			fmt.Errorf("execute %s: %w", p.Path, refused),
			fmt.Errorf("execute %s: %w", own, syscall.Exec(own, p.Args, env)),
		)
	})
}

// write writes what is offered into a file in memory, which nobody else can open by a name.
func (o Offer) write() (*os.File, error) {
	content, err := json.Marshal(o.Content)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	s := state{Format: Format, Content: content, Files: map[string]int{}, Stopping: o.Stopping}
	for name, f := range o.Files {
		if s.Files[name], err = descriptorOf(f); err != nil {
			return nil, fmt.Errorf("handover: %s: %w", name, err)
		}
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	number, err := unix.MemfdCreate("doyen-handover", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	file := os.NewFile(uintptr(number), "doyen-handover")
	if _, err := file.Write(text); err != nil {
		return nil, errors.Join(fmt.Errorf("handover: %w", err), file.Close())
	}
	return file, nil
}

// descriptorOf returns the descriptor of f. Unlike Fd, it leaves f in the mode in which reading it can be stopped.
func descriptorOf(f *os.File) (number int, err error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	return number, raw.Control(func(fd uintptr) { number = int(fd) })
}

// setInherited says whether a program that is executed gets the descriptor.
func setInherited(descriptor int, inherited bool) error {
	flags := unix.FD_CLOEXEC
	if inherited {
		flags = 0
	}
	_, err := unix.FcntlInt(uintptr(descriptor), unix.F_SETFD, flags)
	return err
}

func withoutVariable(env []string) []string {
	kept := make([]string, 0, len(env)+1)
	for _, e := range env {
		if !strings.HasPrefix(e, Variable+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}

// mask blocks or unblocks, on the calling thread, the signals that an agent handles. Programs that it starts inherit
// the thread's mask.
func mask(how int) error {
	var set unix.Sigset_t
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		set.Val[0] |= 1 << (s - 1)
	}
	return unix.PthreadSigmask(how, &set, nil)
}

// Unblock lets signals through that Exec has blocked, once this program handles them. Call it before the thread starts
// a program.
func Unblock(thread *process.Thread) error {
	return thread.Do(func() error { return mask(unix.SIG_UNBLOCK) })
}
