package agent

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/process"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

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
	app, err := a.startApp()
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
			a.gone(app)
			return app.Code(), nil
		case <-ctx.Done():
			a.wayOut(app)
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
		if err := a.settle(d.what); err != nil {
			return err
		}
		a.waitForProxy(ctx, a.startProxy())
	case <-late:
		a.Log.Warn("no server answers: starting the application without Envoy, which follows when one does")
	case <-ctx.Done():
	}
	return nil
}

// lateDescription makes a running application an instance of the mesh.
func (a *agent) lateDescription(d description[api.Service]) error {
	if d.err != nil {
		return d.err
	}
	if err := a.settle(d.what); err != nil {
		return err
	}
	a.startProxy()
	a.startChecks()
	return nil
}

// settle makes everything that depends on what the service is, and starts nothing.
func (a *agent) settle(service api.Service) error {
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
	a.state = newConditions(a.Log, func(s registry.State) { a.lease.update(func(i *registry.Instance) { i.State = s }) }, needed...)
	return nil
}

// startApp starts the application.
func (a *agent) startApp() (*process.Process, error) {
	if a.Proxyless {
		if err := a.writeGRPCBootstrap(); err != nil {
			return nil, err
		}
	}
	app, err := process.Start(process.Command{Path: a.Command[0], Args: a.Command[1:], Env: append(os.Environ(), a.environment()...), Stdout: a.Stdout, Stderr: a.Stderr})
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
	group.Go(func() { a.plan.prober.run(ctx, func(err error) { a.state.set(appHealthy, err) }) })
	group.Go(func() { a.lease.Run(ctx) })
	a.stopChecks = func() {
		cancel()
		group.Wait()
	}
}
