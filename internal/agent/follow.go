package agent

import (
	"context"
	"errors"
	"reflect"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// openEvery is how often a port that the manifest has got is tried until Envoy listens there.
const openEvery = 200 * time.Millisecond

// Pauses between attempts to read a manifest that has changed.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = time.Second
)

// follower applies changes of the manifest to a running instance: its ports and its health check. What the
// application was started with, such as its own ports, stays.
type follower struct {
	instance *instance
	changed  chan struct{} // one slot: the manifest may have changed
}

func newFollower(i *instance) *follower {
	return &follower{instance: i, changed: make(chan struct{}, 1)}
}

// manifestChanged makes Run ask for the manifest. It never waits.
func (f *follower) manifestChanged() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Run follows the manifest of the instance until ctx ends, and returns nil.
func (f *follower) Run(ctx context.Context, m *member) error {
	retry := backoff.Backoff{First: firstRetry, Last: lastRetry}
	for {
		select {
		case <-f.changed:
		case <-ctx.Done():
			return nil
		}
		d := askOnce(ctx, f.instance.askService)
		d.what.Instances = api.Instances{}
		switch {
		case ctx.Err() != nil:
			return nil
		case answered(d.err): // there is no manifest any more: the instance stays as it is
		case d.err != nil:
			if backoff.Sleep(ctx, retry.Pause()) {
				f.manifestChanged()
			}
		case !reflect.DeepEqual(d.what, m.manifest):
			retry.Reset()
			if err := f.apply(ctx, m, d.what); err != nil && ctx.Err() == nil {
				f.instance.Log.Error("this instance does not follow its manifest", "error", err)
				continue
			}
			m.manifest = d.what
			f.instance.save(m.manifest)
		}
	}
}

// apply applies a manifest to the running instance. A port that is new is checked in once Envoy
// listens there, or else callers would find nobody.
func (f *follower) apply(ctx context.Context, m *member, service api.Service) error {
	if len(service.Ports) == 0 {
		return errors.New("the manifest has no port any more")
	}
	p, err := m.plan.follow(f.instance.Options, service)
	if err != nil {
		return err
	}
	m.health.Replace(f.instance.prober(p))
	if !f.instance.Proxyless {
		for _, address := range p.inbound {
			for health.AskTCP(ctx, address.String()) != nil {
				if !backoff.Sleep(ctx, openEvery) {
					return ctx.Err()
				}
			}
		}
	}
	m.lease.Update(func(i *registry.Instance) { i.Key, i.Ports = p.instance.Key, p.instance.Ports })
	f.instance.Log.Info("following the manifest", "address", p.instance.Address, "further ports", len(p.instance.Ports))
	return nil
}

// follow is the plan for service of an instance that runs: what was chosen at the start stays.
func (p *plan) follow(o Options, service api.Service) (*plan, error) {
	names := make([]mesh.PortName, len(service.Ports))
	app := map[mesh.PortName]int{}
	for i, served := range service.Ports {
		names[i] = mesh.PortName(served.Name)
		if app[names[i]] = p.app[names[i]]; app[names[i]] == 0 {
			app[names[i]] = served.Port
		}
	}
	next := &plan{node: p.node, app: app, mainPort: mainPort(service)}
	next.prober = newProber(o, service, app)
	ports := app
	if !o.Proxyless {
		ports = p.node.Ports.IngressPorts(names)
	}
	next.place(o, service, ports)
	return next, nil
}
