package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/process"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
	"github.com/doyen-mesh/doyen/internal/traffic"
)

// Options are how the demo runs.
type Options struct {
	Program  string // the doyen executable
	Envoy    string // the Envoy executable
	Folder   string // for the documents, kept at the end; "" is one that is removed
	Out      io.Writer
	Terminal bool // Out is a terminal: the figures are repainted in place
	// Size returns the terminal's size; 0 and 0 if it is unknown.
	Size func() (columns, rows int)
}

// stage is everything that runs. Only one goroutine uses it.
type stage struct {
	Options
	dir       string // private: data, logs, temporary files
	documents documents
	ports     *ports
	at        addresses
	server    *process.Process
	edge      *proxied
	desk      *process.Process
	instances []*instance
	others    []*process.Process // whatever else runs
	paths     []*path
	client    *client.Client
	registry  *registryclient.Client
	http      *http.Client
	endPaths  func() // ends the traffic and returns after the last answer
}

// addresses are the ports that the user of the demo may call.
type addresses struct {
	edge, grpc, http, dns, ledger int // ports on 127.0.0.1
}

// proxied is an Envoy with an admin port.
type proxied struct {
	name  string
	admin int
}

// instance is one running copy of a service.
type instance struct {
	name, service string
	address       string // where callers reach it
	agent         *process.Process
	args          []string // of the agent
	proxy         *proxied // nil without Envoy
}

// newStage makes folders and chooses ports; it starts nothing.
func newStage(o Options) (*stage, error) {
	s := &stage{Options: o, endPaths: func() {}}
	s.ports = &ports{next: firstPort, given: map[int]bool{}, change: func(what string, wanted, got int) {
		fmt.Fprintf(o.Out, "port %d is taken: the %s is on %d\n", wanted, what, got)
	}}
	var err error
	if s.dir, err = os.MkdirTemp("", "doyen-demo-"); err != nil {
		return nil, err
	}
	if err := s.build(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	return s, nil
}

func (s *stage) build() error {
	s.documents.dir = s.Folder
	if s.Folder == "" {
		s.documents.dir = filepath.Join(s.dir, "mesh")
	}
	for _, dir := range []string{s.documents.dir, s.file("data"), s.file("logs"), s.file("tmp")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		to   *int
		what string
		port int
	}{
		{&s.at.edge, "edge", edgePort},
		{&s.at.grpc, "server's gRPC port", serverGRPCPort},
		{&s.at.http, "server's HTTP port", serverHTTPPort},
		{&s.at.dns, "server's DNS port", serverDNSPort},
		{&s.at.ledger, "ledger", ledgerPort},
	} {
		var err error
		if *p.to, err = s.ports.named(p.what, p.port); err != nil {
			return err
		}
	}
	if err := s.documents.write(s.at.ledger); err != nil {
		return err
	}
	var err error
	if s.client, err = client.New(s.serverURL(), nil); err != nil {
		return err
	}
	s.http = &http.Client{Transport: &http.Transport{}, Timeout: traffic.CallTimeout}
	s.registry, err = registryclient.New(s.serverURL(), s.http)
	return err
}

func (s *stage) file(name string) string { return filepath.Join(s.dir, name) }
func (s *stage) serverURL() string       { return "http://" + loopback(s.at.http) }
func (s *stage) edgeURL() string         { return "http://" + loopback(s.at.edge) }
func loopback(port int) string           { return fmt.Sprintf("127.0.0.1:%d", port) }

// close stops the traffic and every process, and removes the demo's files.
func (s *stage) close() error {
	s.endPaths()
	s.client.Close()
	s.http.CloseIdleConnections()
	agents := s.others
	if s.desk != nil {
		agents = append(agents, s.desk)
	}
	for _, i := range s.instances {
		agents = append(agents, i.agent)
	}
	stopImmediately(agents)
	if s.server != nil {
		s.server.Stop(killAfter, nil)
	}
	return os.RemoveAll(s.dir)
}

// How the demo's processes are stopped together: signalled twice, because an agent stops immediately at the second
// signal.
const (
	secondSignalAfter = 200 * time.Millisecond
	killAfter         = 5 * time.Second
)

func stopImmediately(processes []*process.Process) {
	var group sync.WaitGroup
	for _, p := range processes {
		p.Signal(syscall.SIGTERM)
	}
	time.Sleep(secondSignalAfter)
	for _, p := range processes {
		group.Go(func() { p.Stop(killAfter, nil) })
	}
	group.Wait()
}

// eventually calls f every few milliseconds until it returns nil, for limit at most.
func eventually(ctx context.Context, limit time.Duration, what string, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		err := f()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			if context.Cause(ctx) == context.Canceled {
				return ctx.Err()
			}
			return fmt.Errorf("%s: not within %v: %w", what, limit, err)
		case <-ticker.C:
		}
	}
}
