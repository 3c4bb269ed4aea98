package agent

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/process"
)

// Pauses between the end of one Envoy and the start of the next; an Envoy that ran for stableAfter
// starts the series again.
const (
	firstRestart = 250 * time.Millisecond
	lastRestart  = 10 * time.Second
	stableAfter  = 30 * time.Second
)

// How often an Envoy is asked whether it is ready: until it is, and from then on.
const (
	readyEager = 50 * time.Millisecond
	readyCalm  = time.Second
)

// proxyGrace is how long an Envoy may take to end when asked to.
const proxyGrace = 5 * time.Second

// proxy keeps an Envoy running.
type proxy struct {
	command process.Command
	lines   *lineWriter // what Envoy prints
	admin   *proxyAdmin
	server  string           // host:port of the server's gRPC port
	node    string           // how Envoy names itself to it
	inbound []netip.AddrPort // where callers reach it: it is ready when all of them accept connections
	log     *slog.Logger
}

// newProxy returns a proxy that has not been started. The bootstrap is an argument of Envoy's: a file could be
// removed before Envoy is started again, and an agent that is killed would leave it behind.
func newProxy(o ProxyOptions, b bootstrap.Options, inbound []netip.AddrPort, out io.Writer, log *slog.Logger) (*proxy, error) {
	content, err := bootstrap.Envoy(b)
	if err != nil {
		return nil, err
	}
	args := []string{"--config-yaml", string(content), "--disable-hot-restart", "--log-level", cmp.Or(o.LogLevel, "warning")}
	if o.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(o.Concurrency))
	}
	lines := &lineWriter{prefix: "envoy | ", out: out}
	return &proxy{
		command: process.Command{Path: o.Path, Args: append(args, o.Args...), Stdout: lines, Stderr: lines},
		lines:   lines,
		admin:   newProxyAdmin(b.AdminPort),
		server:  b.Server,
		node:    b.NodeID(),
		inbound: inbound,
		log:     log,
	}, nil
}

// run starts Envoy, again whenever it ends, until ctx ends; then it stops it and returns. It tells of
// every change of readiness: nil or the reason, beginning with not ready, untold.
func (p *proxy) run(ctx context.Context, hurry <-chan struct{}, tell func(error)) {
	restart := backoff{first: firstRestart, last: lastRestart}
	for {
		started := time.Now()
		err := p.once(ctx, hurry, tell)
		if ctx.Err() != nil {
			return
		}
		tell(err)
		if time.Since(started) > stableAfter {
			restart.reset()
		}
		pause := restart.pause()
		p.log.Error("envoy ended: starting it again", "error", err, "pause", pause.Round(time.Millisecond).String())
		if !sleep(ctx, pause) {
			return
		}
	}
}

// once runs one Envoy to its end, or to the end of ctx.
func (p *proxy) once(ctx context.Context, hurry <-chan struct{}, tell func(error)) error {
	child, err := process.Start(p.command)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		p.prober().run(watching, tell)
	}()
	select {
	case <-child.Done():
	case <-ctx.Done():
		// Envoy warns of the signal, and of the stream that it closes itself. That is worth reading only when
		// something goes wrong.
		p.lines.holdBack()
		child.Stop(proxyGrace, hurry)
		p.lines.release(child.Code() == 0)
	}
	stop()
	<-watched
	return fmt.Errorf("envoy ended with status %d", child.Code())
}

// prober asks one Envoy whether it is ready. Callers' way in is tried only until it works once: a
// connection each second would show in the statistics and, on TCP ports, in the application.
func (p *proxy) prober() prober {
	reached := false
	ask := func(ctx context.Context) error {
		err := p.admin.ready(ctx)
		if err == nil && !reached {
			err = p.accepts(ctx)
			reached = err == nil
		}
		if err != nil {
			return p.explain(ctx, err)
		}
		return nil
	}
	return prober{ask: ask, eager: readyEager, interval: readyCalm, timeout: adminTimeout}
}

// explain returns why Envoy is not ready, as far as it can be known: it is not connected to a server, or it has
// refused a listener. Otherwise that is err.
func (p *proxy) explain(ctx context.Context, err error) error {
	connected, statsErr := p.admin.gauges(ctx, `^control_plane\.connected_state$`)
	if state, found := connected["control_plane.connected_state"]; statsErr == nil && found && state == 0 {
		return fmt.Errorf("no connection to the server's gRPC port at %s (--xds): %w", p.server, err)
	}
	if refused, dumpErr := p.admin.refusedListeners(ctx); dumpErr == nil && len(refused) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(refused, "; "), err)
	}
	return err
}

// accepts is nil when Envoy accepts connections wherever callers come.
func (p *proxy) accepts(ctx context.Context) error {
	var errs []error
	for _, address := range p.inbound {
		errs = append(errs, askTCP(ctx, address.String()))
	}
	return errors.Join(errs...)
}
