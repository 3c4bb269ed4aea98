package agent

import (
	"context"
	"errors"
	"net/netip"
	"reflect"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// openEvery is how often a port that the manifest has got is tried until Envoy listens there.
const openEvery = 200 * time.Millisecond

// follower applies changes of the manifest to a running instance: its ports and its health check. What the
// application was started with, such as its own ports, stays.
type follower struct {
	ask     func(context.Context) (api.Service, error)
	changed chan struct{} // one slot: the manifest may have changed
	apply   func(context.Context, api.Service) error
	warn    func(message string, err error)
}

// manifestChanged makes Run ask for the manifest. It never waits.
func (f *follower) manifestChanged() {
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Run follows the manifest, which is known as last, until ctx ends.
func (f *follower) Run(ctx context.Context, last api.Service) {
	last.Instances = api.Instances{}
	retry := backoff{first: firstRetry, last: lastRetry}
	for {
		select {
		case <-f.changed:
		case <-ctx.Done():
			return
		}
		d := askOnce(ctx, f.ask)
		d.what.Instances = api.Instances{}
		switch {
		case ctx.Err() != nil:
			return
		case answered(d.err): // there is no manifest any more: the instance stays as it is
		case d.err != nil:
			if sleep(ctx, retry.pause()) {
				f.manifestChanged()
			}
		case !reflect.DeepEqual(d.what, last):
			retry.reset()
			if err := f.apply(ctx, d.what); err != nil && ctx.Err() == nil {
				f.warn("this instance does not follow its manifest", err)
				continue
			}
			last = d.what
		}
	}
}

// followManifest applies a manifest to the running instance. A port that is new is checked in once Envoy
// listens there, or else callers would find nobody.
func (a *agent) followManifest(ctx context.Context, service api.Service) error {
	if len(service.Ports) == 0 {
		return errors.New("the manifest has no port any more")
	}
	p, err := a.plan.follow(a.Options, service)
	if err != nil {
		return err
	}
	a.health.replace(p.prober)
	if !a.Proxyless {
		for _, address := range p.inbound {
			for askTCP(ctx, address.String()) != nil {
				if !sleep(ctx, openEvery) {
					return ctx.Err()
				}
			}
		}
	}
	a.lease.update(func(i *registry.Instance) { i.Key, i.Ports = p.instance.Key, p.instance.Ports })
	a.Log.Info("following the manifest", "address", p.instance.Address, "further ports", len(p.instance.Ports))
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
	next.prober = newAppProber(service.Health, protocolOf(service, healthPort(service)), netip.AddrPortFrom(o.listensOn(), uint16(app[healthPort(service)])).String())
	ports := app
	if !o.Proxyless {
		ports = p.node.Ports.IngressPorts(names)
	}
	next.place(o, service, ports)
	return next, nil
}
