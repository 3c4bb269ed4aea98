package process

import (
	"io"
	"os"
	"os/exec"
	"time"
)

// pipeGrace is how long output of grandchildren is read after a child has ended.
const pipeGrace = time.Second

// output passes on what a program writes. A file is given to the program itself and has no output.
type output struct {
	to     io.Writer
	read   *os.File // the pipe's end
	write  *os.File // the program's end, until it has started
	copied chan struct{}
}

// writers are those of c's writers that need a pipe, each once.
func (c Command) writers() []io.Writer {
	var all []io.Writer
	for _, w := range []io.Writer{c.Stdout, c.Stderr} {
		if _, file := w.(*os.File); w == nil || file || len(all) > 0 && same(all[0], w) {
			continue
		}
		all = append(all, w)
	}
	return all
}

// same reports whether a and b are one writer. Types that cannot be compared are not.
func same(a, b io.Writer) bool {
	defer func() { _ = recover() }()
	return a == b
}

// connect makes the pipes of c and gives cmd its files.
func (p *Process) connect(c Command, cmd *exec.Cmd) error {
	for _, w := range c.writers() {
		read, write, err := os.Pipe()
		if err != nil {
			p.started(err)
			return err
		}
		p.outputs = append(p.outputs, &output{to: w, read: read, write: write, copied: make(chan struct{})})
	}
	cmd.Stdout, cmd.Stderr = p.file(c.Stdout), p.file(c.Stderr)
	return nil
}

// file is what the program writes to, so that w gets it; nil if nobody does.
func (p *Process) file(w io.Writer) io.Writer {
	for _, o := range p.outputs {
		if w != nil && same(o.to, w) {
			return o.write
		}
	}
	return w
}

// started closes the program's ends of the pipes. Without an error, what it writes is passed on from now on.
func (p *Process) started(err error) {
	for _, o := range p.outputs {
		_ = o.write.Close()
		if err != nil {
			_ = o.read.Close()
			continue
		}
		go o.copy()
	}
}

func (o *output) copy() {
	defer close(o.copied)
	_, _ = io.Copy(o.to, o.read) // a pipe's only error is that it was closed, or that time is over
}

// finish passes on what is left after the program has ended.
func (o *output) finish() {
	_ = o.read.SetReadDeadline(time.Now().Add(pipeGrace))
	<-o.copied
	_ = o.read.Close()
}

// stop ends the passing on; what the program writes stays in the pipe.
func (o *output) stop() {
	_ = o.read.SetReadDeadline(time.Now())
	<-o.copied
	_ = o.read.SetReadDeadline(time.Time{})
}
