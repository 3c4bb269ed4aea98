package dnsserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/miekg/dns"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// DefaultTTL is how long resolvers may keep an answer.
const DefaultTTL = 5 * time.Second

// Limits of what clients can use up.
const (
	maxConnections   = 256             // TCP connections at the same time; more wait in the kernel
	queryPatience    = 2 * time.Second // for a query over TCP, once the connection is open
	idlePatience     = 8 * time.Second // from one query over TCP to the next (RFC 7766 section 6.2.3)
	shutdownPatience = 3 * time.Second // for queries that are being answered
	bindAttempts     = 10              // to find a port that is free for both UDP and TCP
)

// Options are what the server answers from. All fields are required except TTL and Log.
type Options struct {
	Instances func() *registry.Snapshot
	// Ports returns the names of a service's ports, the main port first, and whether the service has a manifest.
	Ports  func(mesh.ServiceName) (ports []mesh.PortName, known bool)
	Domain string        // that the server answers for, such as "mesh"; see ParseDomain
	TTL    time.Duration // of answers, in whole seconds; 0 is DefaultTTL
	Log    *slog.Logger  // nil: nothing is logged
}

// Sockets are the two sockets of one address.
type Sockets struct {
	UDP net.PacketConn
	TCP net.Listener
}

// Listen listens on address, such as 127.0.0.1:5353, with UDP and TCP. With port 0 both have the same port.
func Listen(ctx context.Context, address string) (*Sockets, error) {
	var config net.ListenConfig
	for attempt := 1; ; attempt++ {
		tcp, err := config.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		udp, err := config.ListenPacket(ctx, "udp", tcp.Addr().String())
		if err == nil {
			return &Sockets{udp, tcp}, nil
		}
		tcp.Close()
		if _, port, _ := net.SplitHostPort(address); port != "0" || attempt == bindAttempts {
			return nil, err
		}
	}
}

// Addr returns the address of both sockets.
func (s *Sockets) Addr() net.Addr { return s.TCP.Addr() }

// Close closes both sockets.
func (s *Sockets) Close() error { return errors.Join(s.UDP.Close(), s.TCP.Close()) }

// Serve answers queries until ctx ends, and closes the sockets. An error means that one of them failed.
func Serve(ctx context.Context, sockets *Sockets, o Options) error {
	h, err := newHandler(o)
	if err != nil {
		return errors.Join(err, sockets.Close())
	}
	return ServeHandler(ctx, sockets, h)
}

// ServeHandler does what Serve does, with the answers of h.
func ServeHandler(ctx context.Context, sockets *Sockets, h dns.Handler) error {
	idle := func() time.Duration { return idlePatience }
	group, ctx := errgroup.WithContext(ctx)
	for _, server := range []*dns.Server{
		{PacketConn: sockets.UDP, UDPSize: maxUDP, Handler: h},
		{Listener: netutil.LimitListener(pausingListener{sockets.TCP}, maxConnections), ReadTimeout: queryPatience, WriteTimeout: queryPatience, IdleTimeout: idle, Handler: h},
	} {
		group.Go(func() error { return serve(ctx, server) })
	}
	return group.Wait()
}

// serve runs one server until ctx ends.
func serve(ctx context.Context, server *dns.Server) error {
	started, ended := make(chan struct{}), make(chan error, 1)
	server.NotifyStartedFunc = func() { close(started) }
	go func() { ended <- server.ActivateAndServe() }()
	select {
	case err := <-ended:
		return fmt.Errorf("DNS: %w", err)
	case <-started:
	}
	select {
	case err := <-ended:
		return fmt.Errorf("DNS: %w", err)
	case <-ctx.Done():
	}
	patience, cancel := context.WithTimeout(context.Background(), shutdownPatience)
	defer cancel()
	_ = server.ShutdownContext(patience) // the error is that queries took longer
	<-ended
	return nil
}
