package handover

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/doyen-mesh/doyen/internal/process"
)

// own is this program, also when its file was replaced or removed.
const own = "/proc/self/exe"

// Exec replaces this program by p, on the thread that has started the programs that are to run on. It does not return
// unless that is impossible. If p cannot be executed, or its file is another one than
// was asked, this program follows itself, and goes on where it was.
//
// A signal ends a program that does not handle it yet. So SIGHUP and SIGINT are ignored from here on until the program
// that follows handles them; of SIGTERM, which nobody may ignore, it loses nothing from the moment at which its first
// packages are initialized (package earlysignals). One that comes before, in the milliseconds that the kernel and Go's
// runtime need, ends the process like SIGKILL.
func (p Program) Exec(thread *process.Thread, o Offer) error {
	env, ends := withoutVariable(p.Env), make(chan os.Signal, 1)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	return thread.Do(func() error {
		signal.Stop(ends) // waits until what has come is delivered
		o.Stopping = o.Stopping || len(ends) > 0
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
		for _, number := range descriptors {
			if err := setInherited(number, true); err != nil {
				return fmt.Errorf("handover: descriptor %d: %w", number, err)
			}
		}
		env = append(env, fmt.Sprintf("%s=%d", Variable, descriptors[0]))
		signal.Ignore(syscall.SIGHUP, syscall.SIGINT)
		refused := p.isSame()
		if refused == nil {
			refused = syscall.Exec(p.Path, p.Args, env)
		}
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
	s := state{Format: Format, Content: content, Files: map[string]int{}, Stopping: o.Stopping, IgnoresHangups: signal.Ignored(syscall.SIGHUP)}
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
