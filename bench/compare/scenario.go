package compare

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
	"github.com/doyen-mesh/doyen/bench/workload"
)

// Scenario is one server under one load.
type Scenario struct {
	Group    string // scenarios of one group are compared with each other
	Server   string
	Protocol fleet.Protocol
	Clients  int
	// PerConnection is how many of them share a connection.
	PerConnection int
	Shape         workload.Shape
	Singles       int           // changes made one by one
	Rate          time.Duration // for how long 100 changes a second are asked for
	Idle          time.Duration // for how long nothing is done
}

// Options hold for all scenarios of a run.
type Options struct {
	ProfileDir string // where to write profiles of the servers; "" for none
}

// Limits in time; a server that needs longer has failed.
const (
	patience       = 5 * time.Minute
	changeInterval = 10 * time.Millisecond // 100 changes a second
)

// run is a scenario under way.
type run struct {
	Scenario
	server   *serve.Process
	fleet    *fleet.Fleet
	sequence uint32 // the last change that was published
	result   Result
}

// Run takes all figures of a scenario. The error says what went wrong; figures taken before are in
// the result.
func (s Scenario) Run(ctx context.Context, o Options) (Result, error) {
	r := &run{Scenario: s, result: Result{Scenario: s}}
	err := r.all(ctx, o)
	if err != nil {
		err = fmt.Errorf("%s, %s, %s: %w", s.Group, s.Server, s.Protocol, err)
		r.result.Error = err.Error()
	}
	return r.result, err
}

func (r *run) all(ctx context.Context, o Options) (err error) {
	if r.server, err = serve.Start(ctx, r.Server, r.Shape); err != nil {
		return err
	}
	defer func() {
		if stopped := r.server.Stop(); err == nil {
			err = stopped
		}
	}()
	if err := r.profile(o); err != nil {
		return err
	}
	if err := r.measure(ctx); err != nil {
		return err
	}
	return r.profile(o)
}

func (r *run) measure(ctx context.Context) error {
	if err := r.sync(ctx); err != nil {
		return err
	}
	defer r.fleet.Close()
	for _, step := range []func(context.Context) error{r.idle, r.singles, r.rate} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return r.verify()
}

// sync connects the fleet and waits until every client has everything.
func (r *run) sync(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	before, err := r.server.Memory()
	if err != nil {
		return err
	}
	idle, err := r.server.Settle(ctx)
	if err != nil {
		return err
	}
	start := time.Now()
	r.fleet, err = fleet.Open(fleet.Options{
		Address: r.server.Address, Clients: r.Clients, PerConnection: r.PerConnection,
		Protocol: r.Protocol, Shape: r.Shape,
	})
	if err != nil {
		return err
	}
	if err := r.fleet.WaitSynced(ctx); err != nil {
		r.fleet.Close()
		return err
	}
	r.result.Sync.Wall = time.Since(start)
	done, err := r.server.Settle(ctx)
	if err != nil {
		r.fleet.Close()
		return err
	}
	r.result.Sync.CPU = done - idle
	r.result.Sync.Bytes = r.fleet.Bytes()
	return r.memory(before)
}

func (r *run) memory(before serve.Memory) error {
	after, err := r.server.Memory()
	if err != nil {
		r.fleet.Close()
		return err
	}
	clients := int64(r.Clients)
	r.result.Memory = Memory{
		RSS:             after.RSS,
		Heap:            after.Heap,
		HeapPerClient:   (after.Heap - before.Heap) / clients,
		StackPerClient:  (after.Stacks - before.Stacks) / clients,
		GoroutinesExtra: after.Goroutines - before.Goroutines,
	}
	return nil
}

// idle measures the server while nothing changes.
func (r *run) idle(ctx context.Context) error {
	if r.Idle == 0 {
		return nil
	}
	before, err := r.server.CPU()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(r.Idle):
	}
	after, err := r.server.CPU()
	r.result.IdleCores = (after - before).Seconds() / r.Idle.Seconds()
	return err
}

// verify ends the fleet and compares what each client holds with the server's source.
func (r *run) verify() error {
	versions, err := r.server.Versions()
	if err != nil {
		return err
	}
	r.fleet.Close()
	if err := r.fleet.Verify(fleet.Expected{Sequence: r.sequence, Versions: versions}); err != nil {
		return err
	}
	r.result.Verified = true
	return nil
}

// profile begins or ends the profiles of the server.
func (r *run) profile(o Options) error {
	if o.ProfileDir == "" {
		return nil
	}
	if err := os.MkdirAll(o.ProfileDir, 0o755); err != nil {
		return err
	}
	name := fmt.Sprintf("%s-%s-%s-%d", r.Group, r.Server, r.Protocol, r.Clients)
	return r.server.Profile(filepath.Join(o.ProfileDir, strings.ReplaceAll(name, " ", "-")))
}
