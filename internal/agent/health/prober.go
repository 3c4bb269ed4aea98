package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// How often a healthy application is checked, and how long it may take to answer, unless its manifest says so.
const (
	defaultProbeInterval = 15 * time.Second
	defaultProbeTimeout  = 2 * time.Second
)

// eagerProbe is the check interval after a failed check, and for an application that is not healthy.
const eagerProbe = 200 * time.Millisecond

// unwellAfter is the number of failures in a row after which the application is unhealthy. A single failure may
// be an accident.
const unwellAfter = 3

// How long something may be unwell from the start before that is told, and how long the same reason stays told
// before another one is: it may need some time to start, and reasons may differ each time.
const (
	firstFailureTold = 5 * time.Second
	nextFailureTold  = 30 * time.Second
)

// Prober repeatedly checks the health of something on this machine.
type Prober struct {
	Ask      func(ctx context.Context) error // one probe; the error says what is wrong
	Eager    time.Duration                   // how often while it is not well, and after a failure until that is decided
	Interval time.Duration                   // how often while it is well
	Timeout  time.Duration                   // of one probe
}

// NewProber returns a Prober of the application at address (host:port), as its manifest says. The port
// speaks that protocol. Without a health check in the manifest a connection is enough.
func NewProber(h *api.Health, protocol mesh.Protocol, address string) Prober {
	p := Prober{Eager: eagerProbe, Interval: defaultProbeInterval, Timeout: defaultProbeTimeout}
	if h == nil {
		h = &api.Health{TCP: true}
	}
	if d, err := time.ParseDuration(h.Interval); err == nil && d > 0 {
		p.Interval = d
	}
	if d, err := time.ParseDuration(h.Timeout); err == nil && d > 0 {
		p.Timeout = d
	}
	switch {
	case h.HTTP != "":
		p.Ask = func(ctx context.Context) error {
			return askHTTP(ctx, "http://"+address+h.HTTP, h.Host, protocol.IsHTTP2())
		}
	case h.GRPC != nil:
		p.Ask = func(ctx context.Context) error { return askGRPC(ctx, address, h.Host, *h.GRPC) }
	default:
		p.Ask = func(ctx context.Context) error { return AskTCP(ctx, address) }
	}
	return p
}

// Run checks until ctx ends and reports every change: nil when the target became healthy, otherwise what is wrong.
// The target is unhealthy at first, which is reported if it lasts. A different reason is reported if it lasts, too.
func (p Prober) Run(ctx context.Context, tell func(error)) {
	well, failures := false, 0
	told, nextTold := "", time.Now().Add(firstFailureTold)
	for {
		err := p.Once(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			failures = 0
		} else {
			failures++
		}
		now := err == nil || well && failures < unwellAfter
		if now != well || !now && err.Error() != told && !time.Now().Before(nextTold) {
			well = now
			tell(err)
			if err != nil {
				told, nextTold = err.Error(), time.Now().Add(nextFailureTold)
			}
		}
		pause := p.Interval
		if !well || failures > 0 {
			pause = min(p.Eager, p.Interval)
		}
		if !backoff.Sleep(ctx, pause) {
			return
		}
	}
}

func (p Prober) Once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.Timeout)
	defer cancel()
	return p.Ask(ctx)
}

// askHTTP requests url with that Host header and expects status 200. It opens a new connection each time, because a
// kept connection does not show that new ones are accepted.
func askHTTP(ctx context.Context, url, host string, http2 bool) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Host = host
	request.Header.Set("User-Agent", "doyen-agent")
	transport := &http.Transport{DisableKeepAlives: true, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP1(!http2)
	transport.Protocols.SetUnencryptedHTTP2(http2)
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("GET %s: %w", url, err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10))
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s answers %s, want 200", url, response.Status)
	}
	return nil
}

// askGRPC expects the status SERVING of service in grpc.health.v1 (gRPC's health checking protocol).
func askGRPC(ctx context.Context, address, authority, service string) error {
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if authority != "" {
		options = append(options, grpc.WithAuthority(authority))
	}
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		return err
	}
	defer conn.Close()
	answer, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{Service: service})
	if err != nil {
		return fmt.Errorf("gRPC health check of %s, service %q: %w", address, service, err)
	}
	if answer.Status != healthv1.HealthCheckResponse_SERVING {
		return fmt.Errorf("gRPC health check of %s, service %q: %s, want SERVING", address, service, answer.Status)
	}
	return nil
}

// AskTCP is nil when somebody accepts a TCP connection at address (host:port).
func AskTCP(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}
