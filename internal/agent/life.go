package agent

import (
	"context"
	"maps"
	"net/netip"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/process"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

// strangerTimeout bounds the look at the application's ports before it is started.
const strangerTimeout = 500 * time.Millisecond

// run starts everything and ends everything.
func (a *agent) run(ctx context.Context) (int, error) {
	descriptions, stopAsking := startAsking(a.Log, func(ctx context.Context) (api.Service, error) {
		return a.server.Service(ctx, string(a.Service))
	})
	defer stopAsking()
	if err := a.firstDescription(ctx, descriptions); err != nil {
		return 1, err
	}
	defer func() { a.stopProxy() }()
	if ctx.Err() != nil {
		return 0, nil
	}
	app, err := a.startApp(ctx)
	if err != nil {
		return 1, err
	}
	if a.plan != nil {
		descriptions = nil
		stopAsking()
		a.startChecks()
	}
	for {
		select {
		case <-app.Done():
			a.applicationEnded(app)
			return app.Code(), nil
		case <-ctx.Done():
			a.shutDown(app)
			return app.Code(), nil
		case d := <-descriptions:
			if err := a.lateDescription(d); err != nil {
				a.Log.Error("this instance takes no traffic", "error", err)
				continue
			}
			descriptions = nil
			stopAsking()
		}
	}
}

// firstDescription waits for a server's word on what the service is, and starts Envoy. Without an
// answer for headStart it returns without having done so, provided that the options say enough to start
// the application: that must not wait for a server.
func (a *agent) firstDescription(ctx context.Context, descriptions <-chan description[api.Service]) error {
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	late := timer.C
	if a.AppPorts[""] == 0 {
		late = nil
	}
	select {
	case d := <-descriptions:
		if d.err != nil {
			return d.err
		}
		if err := a.prepareFor(d.what); err != nil {
			return err
		}
		a.waitForProxy(ctx, a.startProxy())
	case <-late:
		a.Log.Warn("no server answers: starting the application without Envoy, so it can call nobody and is not checked in until one does", "server", a.Server)
	case <-ctx.Done():
	}
	return nil
}

// lateDescription makes a running application an instance of the mesh.
func (a *agent) lateDescription(d description[api.Service]) error {
	if d.err != nil {
		return d.err
	}
	if err := a.prepareFor(d.what); err != nil {
		return err
	}
	a.startProxy()
	a.startChecks()
	return nil
}

// prepareFor makes everything that depends on what the service is, and starts nothing.
func (a *agent) prepareFor(service api.Service) error {
	chooser := a.chooser.clone() // an attempt that is given up takes no ports
	p, err := newPlan(a.Options, service, chooser)
	if err != nil {
		return err
	}
	registrar, err := registryclient.New(a.Server, a.registry)
	if err != nil {
		return err
	}
	a.plan = p
	a.lease = newLease(registrar, p.instance, a.Log)
	needed := []condition{appHealthy}
	if !a.Proxyless {
		needed = append(needed, envoyReady)
		if a.proxy, err = a.newProxy(); err != nil {
			a.plan = nil
			return err
		}
	}
	a.state = newConditions(a.Log, a.lease.setState, needed...)
	a.state.remark(a.stranger)
	a.health = newHealthCheck(p.prober, func(err error) { a.state.set(appHealthy, err) })
	a.follower = &follower{
		ask:     func(ctx context.Context) (api.Service, error) { return a.server.Service(ctx, string(a.Service)) },
		changed: make(chan struct{}, 1),
		apply:   a.followManifest,
		warn:    func(message string, err error) { a.Log.Error(message, "error", err) },
	}
	a.watch = &watch{registry: registrar, lease: a.lease, manifestChanged: a.follower.manifestChanged}
	return nil
}

// lookForStrangers notes who listens at the application's ports before it is started: health checks and
// requests would reach that program.
func (a *agent) lookForStrangers(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, strangerTimeout)
	defer cancel()
	ports := slices.Sorted(maps.Values(a.listeningPorts()))
	for _, port := range slices.Compact(ports) {
		address := netip.AddrPortFrom(a.listensOn(), uint16(port)).String()
		if askTCP(ctx, address) == nil {
			a.stranger = "another program answered at " + address + " before the application was started"
			a.Log.Error("another program answers at the application's port, before the application is started", "address", address)
		}
	}
	if a.state != nil {
		a.state.remark(a.stranger)
	}
}

// startApp starts the application.
func (a *agent) startApp(ctx context.Context) (*process.Process, error) {
	a.lookForStrangers(ctx)
	env, err := a.environment()
	if err != nil {
		return nil, err
	}
	app, err := process.Start(process.Command{Path: a.Command[0], Args: a.Command[1:], Env: append(inherited(), env...), Stdout: a.Stdout, Stderr: a.Stderr})
	if err == nil {
		a.Log.Info("application started", "command", filepath.Base(a.Command[0]), "pid", app.PID())
	}
	return app, err
}

// startProxy starts Envoy and returns a channel that closes when it is ready for the first time.
func (a *agent) startProxy() (ready <-chan struct{}) {
	first := make(chan struct{})
	if a.proxy == nil {
		close(first)
		return first
	}
	ctx, cancel := context.WithCancel(context.Background())
	tellFirst := sync.OnceFunc(func() { close(first) })
	var group sync.WaitGroup
	group.Go(func() {
		a.proxy.run(ctx, a.Hurry, func(err error) {
			a.state.set(envoyReady, err)
			if err == nil {
				tellFirst()
			}
		})
	})
	a.stopProxy = func() {
		cancel()
		group.Wait()
	}
	return first
}

// waitForProxy gives Envoy its head start, so that the application's first calls find it.
func (a *agent) waitForProxy(ctx context.Context, ready <-chan struct{}) {
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
		a.Log.Warn("envoy is not ready yet: starting the application all the same")
	case <-ctx.Done():
	}
}

// startChecks asks the application for its health and keeps the instance checked in.
func (a *agent) startChecks() {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	for _, run := range []func(context.Context){
		a.health.Run, a.lease.Run, a.watch.Run,
		func(ctx context.Context) { a.follower.Run(ctx, a.plan.service) },
	} {
		group.Go(func() { run(ctx) })
	}
	a.stopChecks = func() {
		cancel()
		group.Wait()
	}
}
