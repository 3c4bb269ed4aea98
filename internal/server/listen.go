package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"

	"github.com/doyen-mesh/doyen/internal/dnsserver"
)

// ListenError says why a server cannot listen on one of its addresses.
type ListenError struct {
	Port    string // "gRPC", "HTTP", "DNS" or "discovery"
	Address string // as in Options
	Err     error
}

func (e *ListenError) Error() string { return fmt.Sprintf("%s port %s: %v", e.Port, e.Address, e.Err) }
func (e *ListenError) Unwrap() error { return e.Err }

// ListenErrors are all addresses on which a server cannot listen; at least one.
type ListenErrors []*ListenError

func (all ListenErrors) Error() string {
	texts := make([]string, len(all))
	for i, e := range all {
		texts[i] = e.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap returns the individual errors.
func (all ListenErrors) Unwrap() []error {
	errs := make([]error, len(all))
	for i, e := range all {
		errs[i] = e
	}
	return errs
}

// listeners are the ports of a server.
type listeners struct {
	grpc, http net.Listener
	discovery  net.Listener       // nil: none
	dns        *dnsserver.Sockets // nil: no DNS
}

// listen listens on all addresses, or returns the errors for all.
func (s *server) listen(ctx context.Context) (on listeners, err error) {
	var failed ListenErrors
	note := func(port, address string, err error) {
		if inner := (*net.OpError)(nil); errors.As(err, &inner) {
			err = inner.Err // without the address, which ListenError names
		}
		if err != nil {
			failed = append(failed, &ListenError{port, address, err})
		}
	}
	on.grpc, err = net.Listen("tcp", s.GRPC)
	note("gRPC", s.GRPC, err)
	on.http, err = net.Listen("tcp", s.HTTP)
	note("HTTP", s.HTTP, err)
	if s.Discovery != "" {
		on.discovery, err = net.Listen("tcp", s.Discovery)
		note("discovery", s.Discovery, err)
	}
	if s.DNS != "" {
		on.dns, err = dnsserver.Listen(ctx, s.DNS)
		note("DNS", s.DNS, err)
	}
	if failed != nil {
		return listeners{}, errors.Join(failed, on.close())
	}
	return on, nil
}

// close closes the ports that are open.
func (on listeners) close() error {
	var all error
	for _, l := range []net.Listener{on.grpc, on.http, on.discovery} {
		if l != nil {
			all = errors.Join(all, l.Close())
		}
	}
	if on.dns != nil {
		all = errors.Join(all, on.dns.Close())
	}
	return all
}

func (on listeners) addresses() Addresses {
	a := Addresses{GRPC: on.grpc.Addr(), HTTP: on.http.Addr()}
	if on.discovery != nil {
		a.Discovery = on.discovery.Addr()
	}
	if on.dns != nil {
		a.DNS = on.dns.Addr()
	}
	return a
}

// checkPorts returns the errors for all addresses before anything else is done: the server listens only once it has
// something to serve.
func (s *server) checkPorts(ctx context.Context) error {
	on, err := s.listen(ctx)
	if err != nil {
		return err
	}
	return on.close()
}

// turnListener accepts a connection only after all goroutines that can run have had a turn. Without that, a server to
// which thousands of proxies connect at once accepts them all before it answers the first one.
type turnListener struct{ net.Listener }

// Accept implements net.Listener.
func (l turnListener) Accept() (net.Conn, error) {
	runtime.Gosched()
	return l.Listener.Accept()
}
