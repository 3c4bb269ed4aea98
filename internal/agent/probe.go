package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// How often the application is checked if its manifest has no health check.
const (
	defaultProbeInterval = 5 * time.Second
	defaultProbeTimeout  = 2 * time.Second
)

// eagerProbe is the check interval for an application that is not healthy.
const eagerProbe = 200 * time.Millisecond

// unwellAfter is the number of failures in a row after which the application is unhealthy. A single failure may
// be an accident.
const unwellAfter = 2

// How long something may be unwell from the start before that is told, and how long the same reason stays told
// before another one is: it may need some time to start, and reasons may differ each time.
const (
	firstFailureTold = 5 * time.Second
	nextFailureTold  = 30 * time.Second
)

// prober repeatedly checks the health of something on this machine.
type prober struct {
	ask      func(ctx context.Context) error // one probe; the error says what is wrong
	eager    time.Duration                   // how often while it is not well: it may be any moment
	interval time.Duration                   // how often while it is
	timeout  time.Duration                   // of one probe
}

// newAppProber returns a prober of the application at address (host:port), as its manifest says. The port
// speaks that protocol. Without a health check in the manifest a connection is enough.
func newAppProber(h *api.Health, protocol mesh.Protocol, address string) prober {
	p := prober{eager: eagerProbe, interval: defaultProbeInterval, timeout: defaultProbeTimeout}
	if h == nil {
		h = &api.Health{TCP: true}
	}
	if d, err := time.ParseDuration(h.Interval); err == nil && d > 0 {
		p.interval = d
	}
	if d, err := time.ParseDuration(h.Timeout); err == nil && d > 0 {
		p.timeout = d
	}
	switch {
	case h.HTTP != "":
		p.ask = func(ctx context.Context) error {
			return askHTTP(ctx, "http://"+address+h.HTTP, h.Host, protocol.IsHTTP2())
		}
	case h.GRPC != nil:
		p.ask = func(ctx context.Context) error { return askGRPC(ctx, address, h.Host, *h.GRPC) }
	default:
		p.ask = func(ctx context.Context) error { return askTCP(ctx, address) }
	}
	return p
}

// run checks until ctx ends and reports every change: nil when the target became healthy, otherwise what is wrong.
// The target is unhealthy at first, which is reported if it lasts. A different reason is reported if it lasts, too.
func (p prober) run(ctx context.Context, tell func(error)) {
	well, failures := false, 0
	told, nextTold := "", time.Now().Add(firstFailureTold)
	for {
		err := p.once(ctx)
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
		if !sleep(ctx, p.pause(well)) {
			return
		}
	}
}

// healthCheck checks the application's health with the current check of its manifest.
type healthCheck struct {
	tell    func(error)
	probers chan prober // one slot: how to ask from now on
}

func newHealthCheck(p prober, tell func(error)) *healthCheck {
	h := &healthCheck{tell: tell, probers: make(chan prober, 1)}
	h.probers <- p
	return h
}

// replace asks with p from now on. One goroutine calls it. It never waits.
func (h *healthCheck) replace(p prober) {
	select {
	case <-h.probers:
	default:
	}
	h.probers <- p
}

// Run asks until ctx ends.
func (h *healthCheck) Run(ctx context.Context) {
	var asking sync.WaitGroup
	defer asking.Wait()
	stop := func() {}
	for {
		select {
		case p := <-h.probers:
			stop()
			asking.Wait()
			probing, cancel := context.WithCancel(ctx)
			stop = cancel
			asking.Go(func() { p.run(probing, h.tell) })
		case <-ctx.Done():
			stop()
			return
		}
	}
}

func (p prober) pause(well bool) time.Duration {
	if well {
		return p.interval
	}
	return min(p.eager, p.interval)
}

func (p prober) once(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	return p.ask(ctx)
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

func askTCP(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// sleep waits for d and reports true, or false as soon as ctx ends.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
