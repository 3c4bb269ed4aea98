package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/agent/health"
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

// envoyGrace is how long an Envoy may take to end when asked to.
const envoyGrace = 5 * time.Second

// Envoy keeps an Envoy running.
type Envoy struct {
	EnvoyConfig
	bootstraps [2]string   // of Envoys with even and with odd epochs: each has a file by which it is drained
	arguments  []string    // of each Envoy, before EnvoyOptions.Args
	lines      *lineWriter // what Envoy prints
	admin      *admin

	base     uint32                     // of the family that runs, or ran last; owned by Run
	replaces atomic.Bool                // one Envoy is being replaced by the next
	parent   atomic.Pointer[generation] // the Envoy before the one that runs, until it has ended; nil for none
	parents  sync.WaitGroup             // of goroutines that wait for the end of parents
	released *Running                   // after Run: the Envoy that it has let go of

	draining atomic.Bool // Envoy was told to fail health checks, so that it says that it is not ready
}

// EnvoyConfig is what an Envoy needs to know of the agent that it belongs to.
type EnvoyConfig struct {
	EnvoyOptions
	Bootstrap bootstrap.Options
	Server    string // the servers' gRPC ports, as --xds says
	// Upstream, if not nil, is why no server answers Envoy's node, for an Envoy that connects to a relay; nil when one does.
	Upstream func(node string) error
	Inbound  []netip.AddrPort // where callers reach it: it is ready when all of them accept connections
	// Ready is called with each change of readiness: nil, or the reason. It is not ready at first, which is reported
	// if it lasts. It must not block.
	Ready func(error)
	Hurry <-chan struct{} // closes when Envoy is to be killed rather than stopped; nil is never
	Out   io.Writer       // what Envoy prints
	Log   *slog.Logger

	Folder string // for files that Envoy reads, an absolute path; "" is none
	// DrainTimeout is how long an Envoy that is replaced by another one has for what is in flight.
	DrainTimeout time.Duration
	Thread       *process.Thread // starts Envoy; nil is a thread of its own
	Inherited    *Running        // the Envoy that the program before this one has started; nil for none
}

// EnvoyOptions is how an Envoy is run.
type EnvoyOptions struct {
	Path        string   // the executable; "" is the one on PATH
	Concurrency int      // worker threads; 0 is one for each core
	MaxHeap     uint64   // how much memory it may use, in bytes; 0 is what MaxHeap returns for this machine
	LogLevel    string   // as Envoy names its levels; "" is warning
	Args        []string // further arguments of Envoy's own
	Group       int      // the first of its groups; 0 is this process's
}

// NewEnvoy returns an Envoy that has not been started. The bootstrap is an argument of Envoy's: a file could be
// removed before Envoy is started again, and an agent that is killed would leave it behind.
func NewEnvoy(c EnvoyConfig) (*Envoy, error) {
	c.Bootstrap.MaxHeap = cmp.Or(c.MaxHeap, MaxHeap(os.DirFS("/")))
	args := []string{"--log-level", cmp.Or(c.LogLevel, "warning")}
	if c.Concurrency > 0 {
		args = append(args, "--concurrency", strconv.Itoa(c.Concurrency))
	}
	e := &Envoy{
		EnvoyConfig: c, arguments: args, lines: &lineWriter{prefix: "envoy | ", out: c.Out}, admin: newAdmin(c.Bootstrap.AdminPort),
	}
	for n := range e.bootstraps {
		c.Bootstrap.DrainFile = e.drainFile(n)
		content, err := bootstrap.Envoy(c.Bootstrap)
		if err != nil {
			return nil, err
		}
		e.bootstraps[n] = string(content)
	}
	return e, nil
}

// Released is the Envoy that Run has let go of; nil if there is none. Run must have returned.
func (e *Envoy) Released() *Running { return e.released }

// IsReplacing reports whether one Envoy is being replaced by the next, or still runs beside it.
func (e *Envoy) IsReplacing() bool { return e.replaces.Load() || e.parent.Load() != nil }

// Run starts Envoy, again whenever it ends, until ctx ends; then it stops it and returns nil. When ctx ends because of
// process.ErrReleased, it lets go of Envoy instead.
func (e *Envoy) Run(ctx context.Context) error {
	defer e.end()
	restart := backoff.Backoff{First: firstRestart, Last: lastRestart}
	for {
		started := time.Now()
		err := e.once(ctx)
		if ctx.Err() != nil {
			return nil
		}
		e.Ready(err)
		if time.Since(started) > stableAfter {
			restart.Reset()
		}
		pause := restart.Pause()
		e.Log.Error("envoy ended: starting it again", "error", err, "pause", pause.Round(time.Millisecond).String())
		if !backoff.Sleep(ctx, pause) {
			return nil
		}
	}
}

// end gives back what Envoys have used.
func (e *Envoy) end() {
	e.admin.close()
	if e.released != nil {
		return
	}
	if parent := e.parent.Load(); parent != nil {
		parent.Kill()
	}
	e.parents.Wait()
	e.forget(0)
}

// once runs one Envoy to its end, or to the end of ctx.
func (e *Envoy) once(ctx context.Context) error {
	child, err := e.next(ctx)
	if err != nil {
		return err
	}
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		e.prober().Run(watching, e.Ready)
	}()
	select {
	case <-child.Done():
	case <-ctx.Done():
		if e.release(ctx, child) {
			break
		}
		// Envoy warns of the signal, and of the stream that it closes itself. That is worth reading only when
		// something goes wrong.
		e.lines.holdBack()
		child.Stop(envoyGrace, e.Hurry)
		e.lines.release(child.Code() == 0)
	}
	stop()
	<-watched
	if e.released != nil {
		return process.ErrReleased
	}
	return fmt.Errorf("envoy ended with status %d", child.Code())
}

// next starts Envoy, or takes over the one that runs.
func (e *Envoy) next(ctx context.Context) (generation, error) {
	if e.Inherited != nil {
		return e.adopt(ctx)
	}
	return e.startFirst()
}

// release lets go of Envoy if that is why ctx has ended, and Envoy still runs.
func (e *Envoy) release(ctx context.Context, child generation) bool {
	if !errors.Is(context.Cause(ctx), process.ErrReleased) {
		return false
	}
	r, ok := child.Release()
	if ok {
		e.lines.flush()
		e.released = &Running{child.Identity, r}
	}
	return ok
}

// prober asks one Envoy whether it is ready. Callers' way in is tried only until it works once: a
// connection each second would show in the statistics and, on TCP ports, in the application.
func (e *Envoy) prober() health.Prober {
	reached := false
	ask := func(ctx context.Context) error {
		if e.draining.Load() {
			return nil
		}
		err := e.admin.ready(ctx)
		if err == nil && !reached {
			err = e.accepts(ctx)
			reached = err == nil
		}
		if err != nil {
			return e.explain(ctx, err)
		}
		return nil
	}
	return health.Prober{Ask: ask, Eager: readyEager, Interval: readyCalm, Timeout: adminTimeout}
}

// explain returns why Envoy is not ready, as far as it can be known: it is not connected to a server, or it has
// refused a listener. Otherwise that is err.
func (e *Envoy) explain(ctx context.Context, err error) error {
	if e.disconnected(ctx) {
		return fmt.Errorf("no connection to the server's gRPC port at %s (--xds): %w", e.Server, err)
	}
	if refused, dumpErr := e.admin.refusedListeners(ctx); dumpErr == nil && len(refused) > 0 {
		return fmt.Errorf("%s: %w", strings.Join(refused, "; "), err)
	}
	return err
}

// disconnected reports whether it is known that no server answers Envoy.
func (e *Envoy) disconnected(ctx context.Context) bool {
	if e.Upstream != nil && e.Upstream(e.Bootstrap.NodeID()) != nil {
		return true
	}
	connected, err := e.admin.gauges(ctx, `^control_plane\.connected_state$`)
	state, found := connected["control_plane.connected_state"]
	return err == nil && found && state == 0
}

// accepts is nil when Envoy accepts connections wherever callers come.
func (e *Envoy) accepts(ctx context.Context) error {
	var errs []error
	for _, address := range e.Inbound {
		errs = append(errs, health.AskTCP(ctx, address.String()))
	}
	return errors.Join(errs...)
}
