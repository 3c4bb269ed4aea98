package health

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/doyen-mesh/doyen/internal/process"
)

// eagerCommand is the check interval of a command after a failed check. A command costs more than a connection.
const eagerCommand = time.Second

// maxLine is how many bytes of a command's output are kept.
const maxLine = 200

// WithCommand returns p with a command in place of the manifest's check. The line is run by sh, with that environment, as
// this process's user. The application is healthy while it exits with status 0. After timeout the command and all other
// processes of its group are killed.
//
// The line must come from whoever runs the agent, and never from a server.
func (p Prober) WithCommand(line string, timeout time.Duration, environment func() ([]string, error)) Prober {
	p.Eager, p.Timeout = eagerCommand, timeout
	p.Ask = func(ctx context.Context) error {
		env, err := environment()
		if err != nil {
			return err
		}
		return runCommand(ctx, line, timeout, env)
	}
	return p
}

func runCommand(ctx context.Context, line string, timeout time.Duration, env []string) error {
	output := &firstLine{}
	command, err := process.Start(process.Command{Path: "/bin/sh", Args: []string{"-c", line}, Env: env, Stdout: output, Stderr: output})
	if err != nil {
		return err
	}
	select {
	case <-command.Done():
	case <-ctx.Done():
		command.Kill()
		return fmt.Errorf("health command did not exit within %s%s", timeout, output)
	}
	if command.Code() != 0 {
		return fmt.Errorf("health command exited with status %d%s", command.Code(), output)
	}
	return nil
}

// firstLine keeps the beginning of the first line that is not empty.
type firstLine struct {
	line []byte
	over bool // a line has ended
}

// Write never fails, so that a command can write as much as it likes.
func (f *firstLine) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0 && !f.over; {
		line, after, ended := bytes.Cut(rest, []byte("\n"))
		f.line = append(f.line, line[:min(len(line), maxLine-len(f.line))]...)
		f.line = bytes.TrimLeft(f.line, " \t\r")
		f.over, rest = ended && len(f.line) > 0, after
	}
	return len(b), nil
}

// String is the line after a colon, "" if there is none.
func (f *firstLine) String() string {
	if line := bytes.TrimSpace(f.line); len(line) > 0 {
		return ": " + string(line)
	}
	return ""
}
