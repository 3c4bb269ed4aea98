package program

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
	"time"
)

// server is a running doyen server.
type server struct {
	grpc, http string // addresses
	ready      time.Duration

	command *exec.Cmd
	drained chan struct{} // closed when its log has ended
}

// startServer starts a server on free ports for the documents in folder/config and returns when it
// says that it is ready.
func startServer(ctx context.Context, doyen, folder string) (*server, error) {
	s := &server{drained: make(chan struct{})}
	s.command = exec.CommandContext(ctx, doyen, "server", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--config", filepath.Join(folder, "config"), "--data", filepath.Join(folder, "data"))
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
	s.ready = time.Since(start)
	go func() {
		defer close(s.drained)
		_, _ = io.Copy(io.Discard, lines) // ends with the process
	}()
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *server) awaitReady(log *bufio.Reader) error {
	addresses := regexp.MustCompile(`msg=ready.* grpc=(\S+) http=(\S+)`)
	for said := ""; ; {
		line, err := log.ReadString('\n')
		if err != nil {
			return fmt.Errorf("server is not ready: %w: %s%s", err, said, line)
		}
		if found := addresses.FindStringSubmatch(line); found != nil {
			s.grpc, s.http = found[1], found[2]
			return nil
		}
		said += line
	}
}

// stop ends the server in its own way.
func (s *server) stop() error {
	if err := s.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	<-s.drained
	return s.command.Wait()
}
