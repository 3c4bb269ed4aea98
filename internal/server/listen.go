package server

import (
	"errors"
	"fmt"
	"net"
	"strings"
)

// ListenError says why a server cannot listen on one of its addresses.
type ListenError struct {
	Port    string // "gRPC" or "HTTP"
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

// listen listens on both addresses, or returns the errors for both.
func (s *server) listen() (onGRPC, onHTTP net.Listener, err error) {
	var failed ListenErrors
	on := func(port, address string) net.Listener {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			if inner := (*net.OpError)(nil); errors.As(err, &inner) {
				err = inner.Err // without the address, which ListenError names
			}
			failed = append(failed, &ListenError{port, address, err})
		}
		return listener
	}
	onGRPC, onHTTP = on("gRPC", s.GRPC), on("HTTP", s.HTTP)
	if failed == nil {
		return onGRPC, onHTTP, nil
	}
	for _, l := range []net.Listener{onGRPC, onHTTP} {
		if l != nil {
			l.Close()
		}
	}
	return nil, nil, failed
}

// checkPorts returns the errors for both addresses before anything else is done: the server listens only once it has
// something to serve.
func (s *server) checkPorts() error {
	onGRPC, onHTTP, err := s.listen()
	if err != nil {
		return err
	}
	return errors.Join(onGRPC.Close(), onHTTP.Close())
}
