// Package server builds a doyen server from its parts and runs them. It is the one place that knows all parts.
//
// It must never serve before there is something to serve: an empty mesh would take down a running one. Its one
// invariant: when Run has returned, all ports and the data folder are free.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/config/source"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/dnsserver"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/sources"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/xdsmetrics"
)

// Default addresses: loopback, because there is no authentication yet.
const (
	DefaultGRPC = "127.0.0.1:18000"
	DefaultHTTP = "127.0.0.1:18001"
)

// shutdownPatience is how long open HTTP requests may take to end.
const shutdownPatience = 3 * time.Second

// storePatience is how long a server that starts waits for what other servers know.
const storePatience = 2 * time.Second

// Options are how a server runs.
type Options struct {
	Config    string // folder of documents
	Data      string // folder for the warm copy: instances and the last accepted documents
	GRPC      string // address for xDS; "" is DefaultGRPC
	HTTP      string // address for API and metrics; "" is DefaultHTTP
	DNS       string // address for DNS; "": no DNS
	Domain    string // that DNS answers for; "" is mesh
	Instances string // file that lists instances; "": none
	Resolver  string // host:port of the resolver for names in that file; "": those of /etc/resolv.conf
	// Discovery is the address for the registry in the wire form of lyft/discovery; "": nowhere. Who reaches it can
	// register instances.
	Discovery string
	Store     *Store   // shared with other servers; nil: this server is alone
	Hosts     []string // DNS names under which HTTP may be called, besides IP addresses and localhost
	Profiles  bool     // serve the Go profiler's pages on HTTP
	Version   string   // of this binary
	Log       *slog.Logger
	Ready     func(Addresses) // called once all ports serve; may be nil
}

// Addresses are where a server listens.
type Addresses struct {
	GRPC, HTTP     net.Addr
	DNS, Discovery net.Addr // nil: nowhere
}

// Store is where servers share instances.
type Store struct {
	Address string // for people
	Open    func(context.Context) (Engine, error)
}

// Engine is an engine for sharing instances that holds connections.
type Engine interface {
	share.Engine
	Close() error
}

// InvalidError is why a server does not start with a folder that has problems if no earlier content of it was ever
// accepted: there is nothing to serve, and an empty mesh would take down a running one.
type InvalidError struct {
	Folder   string
	Problems config.Problems // at least one
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("config folder %q has problems (%d), and nothing was accepted before; the first: %v", e.Folder, len(e.Problems), e.Problems[0])
}

// server holds all parts, built and not yet started.
type server struct {
	Options
	documents *source.Folder
	registry  *registry.Registry
	sharer    *share.Sharer // nil: instances are not shared
	sources   *sources.Runner
	listed    *sources.File // nil when there is none
	control   *control.Control
	xds       *xds.Server
	metrics   *xdsmetrics.Metrics
	grpc      *grpc.Server
	http      *http.Server
	discovery *http.Server
	manifests manifestVersions
	closers   []func() error
}

// Run serves until ctx ends, then shuts down in an orderly way and returns nil. An error means that the server could
// not start, or that a part of it failed.
func Run(ctx context.Context, o Options) error {
	s, err := build(ctx, o)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	parts := []func(context.Context) error{
		s.documents.Run,
		s.registry.Run,
		s.control.Run,
		s.xds.Run,
		s.sources.Run,
		s.serve,
	}
	if s.sharer != nil {
		parts = append(parts, s.sharer.Run)
	}
	for _, part := range parts {
		group.Go(func() error { return part(ctx) })
	}
	return errors.Join(group.Wait(), s.close())
}

// serve opens all ports once there is something to serve. A proxy that connected earlier would get an emptier mesh
// than there is.
func (s *server) serve(ctx context.Context) error {
	select {
	case <-s.control.Ready():
	case <-ctx.Done():
		return nil
	}
	select {
	case <-s.sources.Ready():
	case <-ctx.Done():
		return nil
	}
	s.awaitStore(ctx)
	on, err := s.listen(ctx)
	if err != nil {
		return err
	}
	s.warnIfExposed(on.grpc.Addr(), on.http.Addr(), on.addresses().Discovery)
	if s.Ready != nil {
		s.Ready(on.addresses())
	}
	return s.serveOn(ctx, on)
}

// awaitStore waits until this server has what the store has, or does not answer soon.
func (s *server) awaitStore(ctx context.Context) {
	if s.sharer == nil {
		return
	}
	select {
	case <-s.sharer.Synced():
	case <-time.After(storePatience):
	case <-ctx.Done():
	}
}

// serveOn serves on all ports until ctx ends, or one of them fails.
func (s *server) serveOn(ctx context.Context, on listeners) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return unless(grpc.ErrServerStopped, s.grpc.Serve(turnListener{on.grpc})) })
	group.Go(func() error { return unless(http.ErrServerClosed, s.http.Serve(on.http)) })
	if on.discovery != nil {
		group.Go(func() error { return unless(http.ErrServerClosed, s.discovery.Serve(on.discovery)) })
	}
	if on.dns != nil {
		group.Go(func() error { return dnsserver.Serve(ctx, on.dns, s.dnsOptions()) })
	}
	<-ctx.Done()
	s.Log.Info("stopping")
	s.stop()
	return group.Wait()
}

// stop ends all streams immediately, since their clients keep what they have, and lets HTTP requests finish.
func (s *server) stop() {
	s.xds.Shutdown()
	s.grpc.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	for _, h := range []*http.Server{s.http, s.discovery} {
		if err := h.Shutdown(ctx); err != nil {
			h.Close()
		}
	}
}

// unless returns err, or nil if it is the expected one, which a server returns that is stopped.
func unless(expected, err error) error {
	if errors.Is(err, expected) {
		return nil
	}
	return err
}

// warnIfExposed warns if an address is not loopback, since there is no authentication yet.
func (s *server) warnIfExposed(addresses ...net.Addr) {
	for _, a := range addresses {
		if tcp, ok := a.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			s.Log.Warn("whoever reaches this address can direct the mesh: there is no authentication yet", "address", a.String())
		}
	}
}
