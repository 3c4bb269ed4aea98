package agent

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/agent/lease"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/process"
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
	i, err := newInstance(ctx, o)
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 1, err
	}
	defer i.close()
	err = i.parts().run(ctx, func() (context.Context, context.CancelFunc) {
		return patience(o.DrainTimeout, o.Hurry, i.ended.known)
	})
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
	chooser  *portChooser // owned by the description
	server   *client.Client
	registry *http.Client

	late    chan struct{}     // closes when the application is to start although no server has answered
	member  *future[*member]  // once a server has described the service
	ready   chan struct{}     // closes when Envoy is ready for the first time
	started *future[stranger] // once the application runs
	ended   *future[int]      // the application's exit status
	left    bool              // a server knows that the instance has left; used by the ends of parts
}

// stranger is what was at the application's ports before it was started; "" is nothing.
type stranger string

// member is what the service's description makes of a running application: an instance of the mesh.
type member struct {
	plan       *plan
	lease      *lease.Lease
	registry   *registryclient.Client
	conditions *health.Conditions
	health     *health.Check
	envoy      *supervisor.Envoy // nil for a proxyless application
}

// newInstance settles and looks at everything that can be wrong without a server.
func newInstance(ctx context.Context, o Options) (*instance, error) {
	if err := process.Find(o.Command[0]); err != nil {
		return nil, err
	}
	server, err := client.New(o.Server)
	if err != nil {
		return nil, err
	}
	if !o.Proxyless {
		if o.Proxy.Path, err = o.Proxy.Find(ctx, o.Log); err != nil {
			return nil, err
		}
	}
	chooser := newPortChooser()
	if o, err = o.choosePorts(chooser); err != nil {
		return nil, err
	}
	if o, err = o.chooseAddress(); err != nil {
		return nil, err
	}
	return &instance{
		Options: o, chooser: chooser, server: server,
		registry: &http.Client{Transport: &http.Transport{}},
		late:     make(chan struct{}), member: newFuture[*member](), ready: make(chan struct{}),
		started: newFuture[stranger](), ended: newFuture[int](),
	}, nil
}

func (i *instance) close() {
	i.server.Close()
	i.registry.CloseIdleConnections()
}

// parts are those of an instance. At the end the instance leaves the registry, drains, and then ends its application
// and its Envoy.
func (i *instance) parts() parts {
	all := parts{{name: "description", run: i.describe}}
	if !i.Proxyless {
		all = append(all, part{name: "envoy", run: i.runEnvoy})
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

// once runs a part as soon as the application runs and the service is known.
func (i *instance) once(run func(context.Context, *member) error) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, ok := i.started.wait(ctx); !ok {
			return nil
		}
		m, ok := i.member.wait(ctx)
		if !ok {
			return nil
		}
		return run(ctx, m)
	}
}

// describe learns from a server what the service is. When no server answers for headStart, the application starts
// without Envoy, provided that the options say enough to start it: that must not wait for a server.
func (i *instance) describe(ctx context.Context) error {
	descriptions, stop := startAsking(i.Log, i.askService)
	defer stop()
	var timer <-chan time.Time
	if i.AppPorts[""] != 0 {
		timer = time.After(headStart)
	}
	isLate := false
	for {
		select {
		case d := <-descriptions:
			m, err := i.join(d)
			switch {
			case err == nil:
				i.member.set(m)
				return nil
			case !isLate:
				return err
			}
			i.Log.Error("this instance takes no traffic", "error", err)
		case <-timer:
			i.Log.Warn("no server answers: starting the application without Envoy, so it can call nobody and is not checked in until one does", "server", i.Server)
			isLate = true
			close(i.late)
		case <-ctx.Done():
			return nil
		}
	}
}

// askService asks the server what the service is.
func (i *instance) askService(ctx context.Context) (api.Service, error) {
	return i.server.Service(ctx, string(i.Service))
}

// join makes everything that depends on what the service is, and starts nothing.
func (i *instance) join(d description[api.Service]) (*member, error) {
	if d.err != nil {
		return nil, d.err
	}
	p, err := newPlan(i.Options, d.what, i.chooser.clone()) // an attempt that is given up takes no ports
	if err != nil {
		return nil, err
	}
	m := &member{plan: p}
	if m.registry, err = registryclient.New(i.Server, i.registry); err != nil {
		return nil, err
	}
	m.lease = lease.New(m.registry, p.instance, i.Log)
	needed := []health.Condition{health.ApplicationHealthy}
	if !i.Proxyless {
		needed = append(needed, health.EnvoyReady)
	}
	m.conditions = health.NewConditions(i.Log, m.lease.SetState, needed...)
	m.health = health.NewCheck(p.prober, func(err error) { m.conditions.Set(health.ApplicationHealthy, err) })
	if !i.Proxyless {
		m.envoy, err = i.newEnvoy(m)
	}
	return m, err
}

// newEnvoy returns the instance's Envoy, not started.
func (i *instance) newEnvoy(m *member) (*supervisor.Envoy, error) {
	first := sync.OnceFunc(func() { close(i.ready) })
	return supervisor.NewEnvoy(supervisor.EnvoyConfig{
		EnvoyOptions: i.Proxy,
		Bootstrap: bootstrap.Options{
			Node: m.plan.node, Instance: m.plan.instance.Address.String(),
			Server: i.XDS, AdminPort: i.AdminPort, CA: bootstrap.SystemCA(),
		},
		Inbound: m.plan.inbound, Hurry: i.Hurry, Out: i.Stderr, Log: i.Log,
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

// runApplication starts the application when it is time to, and ends the agent when it ends.
func (i *instance) runApplication(ctx context.Context) error {
	if !i.mayStart(ctx) {
		return nil
	}
	found := i.lookForStrangers(ctx)
	env, err := i.environment()
	if err != nil {
		return err
	}
	app := supervisor.Application{
		Command: i.Command, Environment: append(inherited(), env...), StopTimeout: i.StopTimeout, Hurry: i.Hurry,
		Started: func() { i.started.set(found) }, Stdout: i.Stdout, Stderr: i.Stderr, Log: i.Log,
	}
	err = app.Run(ctx)
	var ended *supervisor.Ended
	if errors.As(err, &ended) {
		i.ended.set(ended.Status)
	}
	return err
}

// mayStart waits until the application may start: Envoy is ready, so that the application's first calls find it, or
// has had its head start, or no server answers. It reports false when ctx has ended.
func (i *instance) mayStart(ctx context.Context) bool {
	select {
	case <-i.late:
		return true
	case <-i.member.known:
	case <-ctx.Done():
		return false
	}
	if i.Proxyless {
		return true
	}
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	select {
	case <-i.ready:
	case <-timer.C:
		i.Log.Warn("envoy is not ready yet: starting the application all the same")
	case <-ctx.Done():
		return false
	}
	return true
}

// checkHealth asks the application for its health.
func (i *instance) checkHealth(ctx context.Context, m *member) error {
	m.conditions.Remark(string(i.started.value))
	return m.health.Run(ctx)
}

// leave takes the instance out of the registry, and waits until its callers' proxies have acknowledged that. When the
// application has ended there is nothing to wait for.
func (i *instance) leave(ctx context.Context) {
	select {
	case <-i.member.known:
	default:
		return
	}
	wait := i.DrainTimeout / 2
	select {
	case <-i.ended.known:
		ctx, wait = context.WithoutCancel(ctx), 0
	default:
		i.Log.Info("stopping: leaving the registry, draining, then ending the application")
	}
	i.left = i.member.value.lease.Leave(ctx, wait)
}

// drain lets requests in flight finish. Callers that no server has told of the end are refused new connections, so that
// they choose another instance.
func (i *instance) drain(ctx context.Context) {
	select {
	case <-i.ended.known:
		return
	case <-i.started.known:
	default:
		return
	}
	select {
	case <-i.member.known:
		i.member.value.envoy.Drain(ctx, !i.left)
	default:
	}
}

// grpcBootstrap is what a proxyless application starts from. The node must be told apart from others even
// before a server has said anything, so it is named after this process.
func (i *instance) grpcBootstrap() (string, error) {
	content, err := bootstrap.GRPC(bootstrap.Options{
		Node:     mesh.Node{Role: mesh.Proxyless, Service: i.Service, Zone: i.Zone},
		Instance: fmt.Sprintf("%s-%d", i.Address, os.Getpid()), Server: i.XDS,
	})
	return string(content), err
}
