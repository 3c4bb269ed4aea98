// Package handover replaces the program of a process by another one, usually a newer version of itself, while the
// process goes on: its children, its listening sockets and its locks stay (execve(2)).
//
// The old program writes its state into a file in memory, which the new one inherits with the files that it needs. The
// number of that file's descriptor is in the environment. Before anything is given up, the new program is asked whether
// it can read the state (Check).
//
// The package must never replace a program by one that has not been asked. Its one invariant: each file that was handed
// over is the new program's alone, and no child of it inherits one.
package handover

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/earlysignals"
	"github.com/doyen-mesh/doyen/internal/printable"
)

// Format is the format of the state. A program reads this format only.
const Format = 1

// Variable is the environment variable that tells a program that it follows another one: the number of the descriptor of
// the state, or [checking].
const Variable = earlysignals.Variable

// checking is the value of Variable for a program that is asked whether it could follow. It reads its arguments and exits.
const checking = earlysignals.Checking

// checkTimeout bounds each question to a program that is to follow.
const checkTimeout = 10 * time.Second

// maxState bounds the state, in bytes.
const maxState = 64 << 20

// Offer is what one program hands over to the next.
type Offer struct {
	Content  any                 // becomes JSON
	Files    map[string]*os.File // by a name of each
	Stopping bool                // the process was asked to end before Exec is called; Exec looks for itself from then on
}

// Received is what a program got from the one before.
type Received struct {
	Content  json.RawMessage
	Files    map[string]*os.File // of this program alone
	Stopping bool                // the process was asked to end meanwhile
	// IgnoresHangups says that the process ignores SIGHUP, as under nohup.
	IgnoresHangups bool
}

// state is what the file in memory has.
type state struct {
	Format   int             `json:"format"`
	Content  json.RawMessage `json:"content"`
	Files    map[string]int  `json:"files"` // descriptors
	Stopping bool            `json:"stopping,omitempty"`

	IgnoresHangups bool `json:"ignoresHangups,omitempty"`
}

// Program is what replaces this one.
type Program struct {
	Path string   // an executable
	Args []string // its name first
	Env  []string

	file os.FileInfo // at Path, when the program was chosen
}

// isSame returns why the file at Path is not the one that was asked any more.
func (p Program) isSame() error {
	now, err := os.Stat(p.Path)
	if err != nil {
		return err
	}
	if !os.SameFile(now, p.file) || !now.ModTime().Equal(p.file.ModTime()) || now.Size() != p.file.Size() {
		return errors.New("the file was replaced after it was asked whether it can go on")
	}
	return nil
}

// Successor returns the program that would start if the process were started again: from the same path, with the same
// arguments. The file at that path may have been replaced.
func Successor() (Program, error) {
	path, err := exec.LookPath(os.Args[0])
	if err == nil {
		path, err = filepath.Abs(path)
	}
	var file os.FileInfo
	if err == nil {
		file, err = os.Stat(path)
	}
	if err != nil {
		return Program{}, fmt.Errorf("the program to go on with: %w", err)
	}
	return Program{Path: path, Args: os.Args, Env: os.Environ(), file: file}, nil
}

// IsCheck reports whether this program is only asked whether it could follow another one.
func IsCheck(getenv func(string) string) bool { return getenv(Variable) == checking }

// Check asks p whether it reads this format, and then whether it accepts its arguments. It returns p's version.
func (p Program) Check(ctx context.Context) (version string, err error) {
	out, err := p.ask(ctx, p.Env, "version", "-o", "json")
	if err != nil {
		return "", fmt.Errorf("%s: it does not run: %w", p.Path, err)
	}
	var said struct {
		Version  string `json:"version"`
		Handover int    `json:"handover"`
	}
	if err := json.Unmarshal(out, &said); err != nil || said.Version == "" {
		return "", fmt.Errorf("%s: it is no doyen: its version is %q", p.Path, printable.Text(strings.TrimSpace(string(out))))
	}
	if said.Handover != Format {
		return "", fmt.Errorf("%s: version %s cannot go on with what runs (it reads format %d of the handover, want %d): restart the agent instead",
			p.Path, printable.Text(said.Version), said.Handover, Format)
	}
	if _, err := p.ask(ctx, append(slices.Clone(p.Env), Variable+"="+checking), p.Args[1:]...); err != nil {
		return "", fmt.Errorf("%s: version %s does not start: %w", p.Path, printable.Text(said.Version), err)
	}
	return said.Version, nil
}

// ask runs p with other arguments and returns what it prints. An error has what it says.
func (p Program) ask(ctx context.Context, env []string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, p.Path, args...)
	var said bytes.Buffer
	cmd.Env, cmd.Stderr, cmd.WaitDelay = env, &said, time.Second
	out, err := cmd.Output()
	if err != nil && said.Len() > 0 {
		err = fmt.Errorf("%w: %s", err, printable.Text(strings.TrimSpace(said.String())))
	}
	return out, err
}

// receive reads what is at the descriptor in the environment.
func receive(descriptor string) (*Received, error) {
	number, err := strconv.Atoi(descriptor)
	if err != nil || number < 3 {
		return nil, fmt.Errorf("%s=%q: want the number of a descriptor", Variable, printable.Text(descriptor))
	}
	file := os.NewFile(uintptr(number), "handover")
	if file == nil {
		return nil, fmt.Errorf("%s=%d: there is no such descriptor", Variable, number)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(io.NewSectionReader(file, 0, maxState), maxState))
	if err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	var s state
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	if s.Format != Format {
		return nil, fmt.Errorf("handover: format %d, want %d", s.Format, Format)
	}
	r := &Received{Content: s.Content, Files: map[string]*os.File{}, Stopping: s.Stopping, IgnoresHangups: s.IgnoresHangups}
	for name, number := range s.Files {
		if err := setInherited(number, false); err != nil {
			return nil, fmt.Errorf("handover: %s: descriptor %d: %w", name, number, err)
		}
		r.Files[name] = os.NewFile(uintptr(number), name)
	}
	return r, nil
}

// Receive returns what this program got from the one before, and removes the trace in the environment; nil if there was
// none.
func Receive() (*Received, error) {
	descriptor := os.Getenv(Variable)
	if descriptor == "" || descriptor == checking {
		return nil, nil
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, err
	}
	return receive(descriptor)
}

// Take returns a file that was handed over, and is the caller's from now on.
func (r *Received) Take(name string) (*os.File, error) {
	file := r.Files[name]
	if file == nil {
		return nil, fmt.Errorf("handover: there is no file %q", name)
	}
	delete(r.Files, name)
	return file, nil
}
