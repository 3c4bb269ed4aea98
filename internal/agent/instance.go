package agent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/agent/lease"
	"github.com/doyen-mesh/doyen/internal/agent/servers"
	"github.com/doyen-mesh/doyen/internal/agent/state"
	"github.com/doyen-mesh/doyen/internal/agent/status"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

// Run runs one instance until its application ends or ctx does, and returns the application's exit
// status as a shell tells it (128 + n after signal n). After an error nothing is left running, and the
// status is 1. When ctx ends before the application was started, the status is 0.
func Run(ctx context.Context, o Options) (status int, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return 1, err
	}
	asked := ctx // to end
	ctx, cancel := o.untilSettled(ctx)
	defer cancel()
	i, err := newInstance(ctx, o)
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 1, err
	}
	defer i.close()
	err = i.resume()
	if err != nil {
		return 1, err
	}
	defer i.obey(asked, ctx, cancel)()
	err = i.parts().run(ctx, func() (context.Context, context.CancelFunc) {
		return patience(o.DrainTimeout, o.Hurry, i.ended.known)
	})
	if errors.Is(err, process.ErrReleased) {
		err = i.host.replace(asked, i.keep())
	}
	select {
	case <-i.ended.known:
		return i.ended.value, nil
	default:
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// instance is what the parts of the agent of one instance share. Its values are set once.
type instance struct {
	Options
	chooser *portChooser // owned by the description
	host    *host
	server  *client.Client
	capture *capturer
	node    string // tells apart the proxyless programs of the service at this address

	late    chan struct{}           // closes when the application is to start although no server has answered
	member  *future[*member]        // once a server has described the service
	ready   chan struct{}           // closes when Envoy is ready for the first time
	started *future[stranger]       // once the application runs
	app     *supervisor.Application // once started
	ended   *future[int]            // the application's exit status
	left    bool                    // a server knows that the instance has left; used by the ends of parts
	warned  time.Time               // since when Envoy says that it is draining, when no server does; used by the ends of parts
}

// stranger is what was at the application's ports before it was started; "" is nothing.
type stranger string

// member is what the service's description makes of a running application: an instance of the mesh.
type member struct {
	plan       *plan
	ports      map[string]int // that the agent chose itself, by flag
	lease      *lease.Lease   // nil for an instance that is not called
	registry   *registryclient.Client
	conditions *health.Conditions
	health     *health.Check
	envoy      *supervisor.Envoy // nil for a proxyless application
	manifest   api.Service       // as it was followed last; of the follower
}

// newInstance settles and looks at everything that can be wrong without a server.
func newInstance(ctx context.Context, o Options) (i *instance, err error) {
	if o, err = o.findPrograms(ctx); err != nil {
		return nil, err
	}
	h, err := openHost(o.HostOptions, o.stateName())
	if err != nil {
		return nil, err
	}
	h.succession.settled = func() error { return i.isSettled() }
	i = &instance{
		Options: o, host: h, chooser: newPortChooser(),
		late: make(chan struct{}), member: newFuture[*member](), ready: make(chan struct{}), capture: &capturer{added: make(chan struct{})},
		started: newFuture[stranger](), ended: newFuture[int](),
	}
	if err := errors.Join(i.openCapture(ctx), i.settle()); err != nil {
		i.close()
		return nil, err
	}
	return i, nil
}

// settle chooses what can be chosen without a server: as an earlier agent with this state did, where it can be.
func (i *instance) settle() (err error) {
	saved := i.host.saved
	i.host.note(func(s *status.Agent) { s.Service = string(i.Service) })
	if i.server, err = client.New(servers.List(i.Server)[0], i.host.http); err != nil {
		return err
	}
	i.chooser.before, i.chooser.running = saved.Ports, i.host.succession.inherited != nil
	if i.chooser.running {
		i.Address = saved.Address
	}
	if i.Options, err = i.choosePorts(i.chooser); err != nil {
		return err
	}
	if i.Options, err = i.chooseAddress(); err != nil && saved.Address.IsValid() {
		i.Log.Warn("taking the address that this machine had before", "address", saved.Address, "error", err)
		i.Address, err = saved.Address, nil
	}
	if i.node = saved.Node; i.node == "" || saved.Address != i.Address {
		i.node = fmt.Sprintf("%08x", rand.Uint32())
	}
	return err
}

func (i *instance) close() {
	i.capture.close()
	i.host.close()
}

// parts are those of an instance. At the end the instance leaves the registry, drains, and then ends its application
// and its Envoy.
func (i *instance) parts() parts {
	all := append(i.host.parts(), part{name: "description", run: i.describe})
	if !i.Proxyless {
		all = append(all, part{name: "envoy", run: i.runEnvoy})
	}
	if i.Capture {
		all = append(all, part{name: "capture", run: i.runCapture, end: i.releaseConnections})
	}
	all = append(all, part{name: "application", run: i.runApplication})
	if !i.Proxyless {
		all = append(all, part{name: "drain", end: i.drain})
	}
	follower := newFollower(i)
	return append(all,
		part{name: "lease", run: i.once(func(ctx context.Context, m *member) error { return m.lease.Run(ctx) }), end: i.leave},
		part{name: "health", run: i.once(i.checkHealth)},
		part{name: "manifest", run: i.once(func(ctx context.Context, m *member) error { return follower.Run(ctx, m) })},
		part{name: "watch", run: i.once(func(ctx context.Context, m *member) error {
			return lease.NewWatch(m.registry, m.lease, follower.manifestChanged).Run(ctx)
		})},
	)
}

// once runs a part of an instance that is called, as soon as the application runs and the service is known.
func (i *instance) once(run func(context.Context, *member) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, ok := i.started.wait(ctx); !ok {
			return nil
		}
		m, ok := i.member.wait(ctx)
		if !ok || m.lease == nil {
			return nil
		}
		return run(ctx, m)
	}
}

// describe learns from a server what the service is. When no server answers, it takes the description on disk. Without
// one, after headStart, the application starts without Envoy, provided that the options say enough to start it: that must
// not wait for a server.
func (i *instance) describe(ctx context.Context) error {
	asking := startAsking(i.Log, i.askService)
	defer asking.stop()
	var late <-chan time.Time
	if i.AppPorts[""] != 0 {
		late = time.After(headStart)
	}
	var silent <-chan struct{}
	saved := i.host.saved.Service
	if saved != nil && saved.Name == string(i.Service) {
		silent = asking.silent
	}
	isLate := false
	if i.host.succession.inherited != nil {
		if i.host.isDescribedBy("server") {
			return nil
		}
		silent, late = nil, nil
	}
	for {
		select {
		case d := <-asking.answers:
			err := i.described(d)
			switch {
			case err == nil:
				return nil
			case !isLate:
				return err
			}
			i.Log.Error("this instance takes no traffic", "error", err)
		case <-silent:
			silent, late = nil, nil
			i.Log.Warn("no server answers: starting with the configuration on disk", "server", i.Server)
			i.host.note(func(s *status.Agent) { s.Described = "copy" })
			if err := i.join(*saved); err != nil {
				return err
			}
		case <-late:
			i.Log.Warn("no server answers: starting the application without Envoy, so it can call nobody and is not checked in until one does", "server", i.Server)
			isLate = true
			close(i.late)
		case <-ctx.Done():
			return nil
		}
	}
}

// described takes a server's word. An instance that started with the description on disk follows the manifest as others
// do.
func (i *instance) described(d description[api.Service]) error {
	select {
	case <-i.member.known:
		if d.err != nil {
			i.Log.Error("this instance goes on as it was described before", "error", d.err)
			return nil
		}
		i.save(d.what)
		return nil
	default:
	}
	if d.err != nil {
		return d.err
	}
	if err := i.join(d.what); err != nil {
		return err
	}
	i.save(d.what)
	return nil
}

// save saves what a start without a server needs.
func (i *instance) save(service api.Service) {
	service.Instances = api.Instances{}
	i.host.save(state.Agent{Service: &service, Ports: i.member.value.ports, Address: i.Address, Node: i.node})
}

// askService asks the server what the service is.
func (i *instance) askService(ctx context.Context) (api.Service, error) {
	return i.server.Service(ctx, string(i.Service))
}

// join makes the instance a member of the mesh: everything that depends on what the service is.
func (i *instance) join(service api.Service) error {
	chooser := i.chooser.clone() // an attempt that is given up takes no ports
	p, err := newPlan(i.Options, service, chooser)
	if err != nil {
		return err
	}
	m := &member{plan: p, ports: chooser.free, manifest: service}
	m.manifest.Instances = api.Instances{}
	if m.registry, err = registryclient.New(servers.List(i.Server)[0], i.host.http); err != nil {
		return err
	}
	var needed []health.Condition
	if p.isCalled() {
		m.lease = lease.New(m.registry, p.instance, i.Log)
		needed = append(needed, health.ApplicationHealthy)
	} else if i.HealthCommand != "" {
		i.Log.Warn("the health command is not used, because the service has no ports and so is not registered")
	}
	if !i.Proxyless {
		needed = append(needed, health.EnvoyReady)
	}
	m.conditions = health.NewConditions(i.Log, func(state registry.State, reason string) {
		if m.lease != nil {
			m.lease.SetState(state, reason)
		}
		i.host.note(func(s *status.Agent) { s.State, s.Reason = string(state), reason })
	}, needed...)
	m.health = health.NewCheck(i.prober(p), func(err error) { m.conditions.Set(health.ApplicationHealthy, err) })
	if !i.Proxyless {
		if m.envoy, err = i.newEnvoy(m); err != nil {
			return err
		}
	}
	if err := i.resumeMember(m); err != nil {
		return err
	}
	i.member.set(m)
	return nil
}

// nodeName tells apart the Envoys of a service: by the address of the instance, or as proxyless programs for one that is
// not called.
func (i *instance) nodeName(p *plan) string {
	if p.isCalled() {
		return p.instance.Address.String()
	}
	return fmt.Sprintf("%s-%s", i.Address, i.node)
}

// newEnvoy returns the instance's Envoy, not started.
func (i *instance) newEnvoy(m *member) (*supervisor.Envoy, error) {
	first := sync.OnceFunc(func() { close(i.ready) })
	return supervisor.NewEnvoy(supervisor.EnvoyConfig{
		EnvoyOptions: i.Proxy,
		Bootstrap: bootstrap.Options{
			Node: m.plan.node, Instance: i.nodeName(m.plan),
			Server: servers.List(i.XDS)[0], Socket: i.host.socket(), AdminPort: i.AdminPort, CA: bootstrap.SystemCA(),
		},
		Server: i.XDS, Upstream: i.host.upstream,
		Inbound: m.plan.inbound, Hurry: i.Hurry, Out: i.Stderr, Log: i.Log, Thread: i.host.thread(), DrainTimeout: i.DrainTimeout, Folder: i.host.path(),
		Ready: func(err error) {
			m.conditions.Set(health.EnvoyReady, err)
			if err == nil {
				first()
			}
		},
	})
}

func (i *instance) runEnvoy(ctx context.Context) error {
	m, ok := i.member.wait(ctx)
	if !ok {
		return nil
	}
	return m.envoy.Run(ctx)
}

// checkHealth asks the application for its health.
func (i *instance) checkHealth(ctx context.Context, m *member) error {
	m.conditions.Remark(string(i.started.value))
	return m.health.Run(ctx)
}

// grpcBootstrap is what a proxyless application starts from. The node must be told apart from others even
// before a server has said anything, and is the same after a restart.
func (i *instance) grpcBootstrap() (string, error) {
	content, err := bootstrap.GRPC(bootstrap.Options{
		Node:     mesh.Node{Role: mesh.Proxyless, Service: i.Service, Zone: i.Zone, Network: i.Network},
		Instance: fmt.Sprintf("%s-%s", i.Address, i.node), Server: servers.List(i.XDS)[0], Socket: i.host.socket(),
	})
	return string(content), err
}
