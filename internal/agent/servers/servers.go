// Package servers reaches the control plane by whichever of its servers answers. A server may be a DNS name with several
// addresses, and there may be a list of them.
//
// Agents spread over the servers at random. Each stays with its server until that fails, and then tries the others; there
// is no way back to a server that was left, so that a server that returns is not overrun. The package must never wait for
// one server while another answers.
package servers

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
)

// attempt bounds the connection to one address, so that one that is silent does not keep others from being tried.
const attempt = 2 * time.Second

// A connection that is silent for keepaliveTime is asked for a sign of life, and lost without one in keepaliveTimeout.
const (
	keepaliveTime    = 20 * time.Second
	keepaliveTimeout = 10 * time.Second
)

// List splits a list of servers at its commas.
func List(text string) []string {
	list := strings.Split(text, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// Dial returns a gRPC connection to one of the servers at addresses (host:port). It connects when it is first used.
func Dial(addresses []string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+addresses[0],
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dialAny(ctx, addresses) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.5, MaxDelay: 5 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	)
}

// dialAny connects to the first server that can be reached, in random order.
func dialAny(ctx context.Context, addresses []string) (net.Conn, error) {
	var errs []error
	for _, i := range rand.Perm(len(addresses)) {
		conn, err := dial(ctx, "tcp", addresses[i])
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// dial connects to one of the addresses of a host, in random order.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	hosts, err := lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var errs []error
	dialer := net.Dialer{Timeout: attempt}
	for _, i := range rand.Perm(len(hosts)) {
		conn, err := dialer.DialContext(ctx, network, net.JoinHostPort(hosts[i], port))
		if err == nil {
			return conn, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func lookUp(ctx context.Context, host string) ([]string, error) {
	if net.ParseIP(host) != nil {
		return []string{host}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, attempt)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

// Transport sends requests to one of several servers. A request that no server has answered is sent to the next one, so
// requests must be such that it does no harm when two servers get them. Safe for concurrent use.
type Transport struct {
	servers []*url.URL
	http    *http.Transport

	mu      sync.Mutex
	current int // of servers
}

// NewTransport returns a transport to the servers with these URLs, such as http://127.0.0.1:18001. The scheme and the host
// of a request are replaced by those of a server.
func NewTransport(urls []string) (*Transport, error) {
	t := &Transport{current: rand.IntN(len(urls)), http: &http.Transport{DialContext: dial}}
	for _, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return nil, fmt.Errorf("server %q: want a URL such as http://127.0.0.1:18001", text)
		}
		t.servers = append(t.servers, u)
	}
	return t, nil
}

// CloseIdleConnections closes connections that are kept for the next request.
func (t *Transport) CloseIdleConnections() { t.http.CloseIdleConnections() }

// RoundTrip implements http.RoundTripper.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer request.Body.Close()
	}
	var errs []error
	for range t.servers {
		at := t.at()
		next, err := redirected(request, t.servers[at])
		if err != nil {
			return nil, err
		}
		response, err := t.http.RoundTrip(next)
		if err == nil {
			return response, nil
		}
		errs = append(errs, err)
		if !errors.Is(request.Context().Err(), context.Canceled) {
			t.leave(at) // also when it did not answer in time
		}
		if request.Context().Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

func (t *Transport) at() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.current
}

// leave goes on to the server after the one at index at, unless another request has done so.
func (t *Transport) leave(at int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current == at {
		t.current = (at + 1) % len(t.servers)
	}
}

// redirected is the request to a server.
func redirected(request *http.Request, server *url.URL) (*http.Request, error) {
	next := request.Clone(request.Context())
	next.URL.Scheme, next.URL.Host, next.Host = server.Scheme, server.Host, ""
	if request.GetBody != nil {
		body, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		next.Body = body
	}
	return next, nil
}
