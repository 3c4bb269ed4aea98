// Package server runs a doyen server in a process of its own, reads its log and measures its
// processor time.
package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/bench/serve"
)

// Options says which server is started. An empty address means any free port.
type Options struct {
	Doyen      string // path of the doyen program
	Folder     string // documents are in Folder/config, its data in Folder/data
	GRPC, HTTP string
	Profiles   bool     // serve the profiler's pages
	Arguments  []string // further ones of the program
}

// Server is a running doyen server.
type Server struct {
	GRPC, HTTP string        // addresses
	Ready      time.Duration // from the start of the process until it said that it is ready
	// Accepted has the time of each revision that the server accepted after it was ready, by its own log.
	Accepted <-chan time.Time

	command *exec.Cmd
	drained chan struct{} // closed when its log has ended
}

// Start starts a server and returns when it is ready. [Server.Stop] must be called.
func Start(ctx context.Context, o Options) (*Server, error) {
	arguments := []string{
		"server", "--grpc", orFree(o.GRPC), "--http", orFree(o.HTTP),
		"--config", filepath.Join(o.Folder, "config"), "--data", filepath.Join(o.Folder, "data"),
	}
	if o.Profiles {
		arguments = append(arguments, "--pprof")
	}
	arguments = append(arguments, o.Arguments...)
	s := &Server{command: exec.CommandContext(ctx, o.Doyen, arguments...), drained: make(chan struct{})}
	log, err := s.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(log)
	err = s.awaitReady(lines)
	s.Ready = time.Since(start)
	accepted := make(chan time.Time, 1000)
	s.Accepted = accepted
	go func() {
		defer close(s.drained)
		follow(lines, accepted)
	}()
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

func orFree(address string) string {
	if address == "" {
		return "127.0.0.1:0"
	}
	return address
}

func (s *Server) awaitReady(log *bufio.Reader) error {
	addresses := regexp.MustCompile(`msg=ready.* grpc=(\S+) http=(\S+)`)
	for said := ""; ; {
		line, err := log.ReadString('\n')
		if err != nil {
			return fmt.Errorf("server is not ready: %w: %s%s", err, said, line)
		}
		if found := addresses.FindStringSubmatch(line); found != nil {
			s.GRPC, s.HTTP = found[1], found[2]
			return nil
		}
		said += line
	}
}

// follow reads the log to its end.
func follow(log *bufio.Reader, accepted chan<- time.Time) {
	for {
		line, err := log.ReadString('\n')
		if err != nil {
			_, _ = io.Copy(io.Discard, log)
			return
		}
		at, ok := acceptedAt(line)
		if !ok {
			continue
		}
		select {
		case accepted <- at:
		default: // nobody reads; the time is not needed
		}
	}
}

// acceptedAt is the time of a line that says that documents were accepted, to the millisecond.
func acceptedAt(line string) (time.Time, bool) {
	rest, found := strings.CutPrefix(line, "time=")
	if !found || !strings.Contains(rest, `msg="documents accepted"`) {
		return time.Time{}, false
	}
	stamp, _, _ := strings.Cut(rest, " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	return at, err == nil
}

// PID is the process's ID.
func (s *Server) PID() int { return s.command.Process.Pid }

// CPU is the processor time that the process has used, in user and kernel together.
func (s *Server) CPU() (time.Duration, error) { return serve.CPU(s.PID()) }

// Settle returns the processor time once the process has come to rest; see [serve.Settle].
func (s *Server) Settle(ctx context.Context) (time.Duration, error) {
	return serve.Settle(ctx, s.PID())
}

// Stop ends the server in its own way.
func (s *Server) Stop() error {
	if err := s.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	<-s.drained
	return s.command.Wait()
}
