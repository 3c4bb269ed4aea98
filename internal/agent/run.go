package agent

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/client"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	registryclient "github.com/doyen-mesh/doyen/internal/registry/client"
)

// headStart is how long an application's start waits for its Envoy, so that its first calls find it.
const headStart = 3 * time.Second

// Run runs one instance until its application ends or ctx does, and returns the application's exit
// status as a shell tells it (128 + n after signal n). After an error nothing is left running, and the
// status is 1. When ctx ends before the application was started, the status is 0.
func Run(ctx context.Context, o Options) (status int, err error) {
	o, err = o.withDefaults()
	if err != nil {
		return 1, err
	}
	a, err := prepare(ctx, o)
	if ctx.Err() != nil {
		return 0, nil
	}
	if err != nil {
		return 1, err
	}
	defer a.close()
	return a.run(ctx)
}

// agent is one instance: what was settled before, and what runs.
type agent struct {
	Options
	plan      plan
	folder    string // private; holds the bootstrap
	bootstrap string // the file that a proxyless application starts from
	prober    prober
	lease     *lease
	proxy     *proxy // nil for a proxyless application
	registry  *http.Client
}

// prepare asks and settles everything that can be wrong before anything is started.
func prepare(ctx context.Context, o Options) (*agent, error) {
	if _, err := exec.LookPath(o.Command[0]); err != nil {
		return nil, commandError(o.Command[0], err)
	}
	server, err := client.New(o.Server)
	if err != nil {
		return nil, err
	}
	defer server.Close()
	if !o.Proxyless {
		if o.Proxy.Path, err = o.Proxy.find(ctx, o.Log); err != nil {
			return nil, err
		}
	}
	service, err := describe(ctx, server, o)
	if err != nil {
		return nil, err
	}
	a := &agent{Options: o, registry: &http.Client{Transport: &http.Transport{}}}
	if a.plan, err = newPlan(o, service); err != nil {
		return nil, err
	}
	a.prober = newAppProber(service.Health, a.plan.health.String())
	registrar, err := registryclient.New(o.Server, a.registry)
	if err != nil {
		return nil, err
	}
	a.lease = newLease(registrar, a.plan.instance, o.Log)
	if a.folder, err = os.MkdirTemp("", "doyen-agent-"); err != nil {
		return nil, err
	}
	if err := a.writeBootstrap(); err != nil {
		a.close()
		return nil, err
	}
	return a, nil
}

// writeBootstrap writes what the proxy, or the application that is its own, starts from.
func (a *agent) writeBootstrap() error {
	b := bootstrap.Options{Node: a.plan.node, Instance: a.plan.instance.Address.String(), Server: a.XDS, CA: bootstrap.SystemCA()}
	if a.Proxyless {
		a.bootstrap = filepath.Join(a.folder, "grpc.json")
		content, err := bootstrap.GRPC(b)
		if err != nil {
			return err
		}
		return os.WriteFile(a.bootstrap, content, 0o600)
	}
	b.AdminPort = a.plan.admin
	var err error
	a.proxy, err = newProxy(a.Proxy, b, a.folder, a.plan.inbound, a.Stderr, a.Log)
	return err
}

// environment is all of the application's environment.
func (a *agent) environment() []string {
	return append(os.Environ(), a.plan.environment(a.bootstrap)...)
}

// close removes what prepare left behind.
func (a *agent) close() {
	a.registry.CloseIdleConnections()
	if a.proxy != nil {
		a.proxy.admin.close()
	}
	if err := os.RemoveAll(a.folder); err != nil {
		a.Log.Warn("could not remove the private folder", "error", err)
	}
}

// run starts everything and ends everything.
func (a *agent) run(ctx context.Context) (int, error) {
	needed := []condition{appHealthy}
	if a.proxy != nil {
		needed = append(needed, envoyReady)
	}
	state := newConditions(a.Log, a.lease.want, needed...)

	stopProxy := a.startProxy(ctx, state)
	defer stopProxy()
	app, err := start(command{path: a.Command[0], args: a.Command[1:], env: a.environment(), stdout: a.Stdout, stderr: a.Stderr})
	if err != nil {
		return 1, err
	}
	a.Log.Info("application started", "command", filepath.Base(a.Command[0]), "pid", app.cmd.Process.Pid)

	stopChecks := a.startChecks(state)
	select {
	case <-app.done:
		stopChecks()
		a.gone(app)
	case <-ctx.Done():
		stopChecks()
		a.wayOut(app)
	}
	return app.code, nil
}

// startProxy starts Envoy, gives it a head start, and returns what stops it.
func (a *agent) startProxy(ctx context.Context, state *conditions) (stop func()) {
	if a.proxy == nil {
		return func() {}
	}
	running, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	var once sync.Once
	var group sync.WaitGroup
	group.Go(func() {
		a.proxy.run(running, a.Hurry, func(err error) {
			state.set(envoyReady, err)
			if err == nil {
				once.Do(func() { close(ready) })
			}
		})
	})
	timer := time.NewTimer(headStart)
	defer timer.Stop()
	select {
	case <-ready:
	case <-timer.C:
		a.Log.Warn("envoy is not ready yet: starting the application all the same")
	case <-ctx.Done():
	}
	return func() {
		cancel()
		group.Wait()
	}
}

// startChecks asks the application for its health and keeps the instance checked in, until stopped.
func (a *agent) startChecks(state *conditions) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	group.Go(func() { a.prober.run(ctx, func(err error) { state.set(appHealthy, err) }) })
	group.Go(func() { a.lease.run(ctx) })
	return func() {
		cancel()
		group.Wait()
	}
}

// gone says goodbye for an application that ended by itself.
func (a *agent) gone(app *process) {
	a.Log.Log(context.Background(), endLevel(app.code), "application ended", "status", app.code)
	a.lease.leave(context.Background(), 0)
}

func endLevel(code int) slog.Level {
	if code == 0 {
		return slog.LevelInfo
	}
	return slog.LevelError
}

// wayOut ends the instance in the order in which no request is lost; Envoy ends after it.
func (a *agent) wayOut(app *process) {
	ctx, cancel := a.patience(app)
	defer cancel()
	a.Log.Info("stopping: leaving the registry, then draining")
	a.lease.leave(ctx, a.DrainTimeout/2)
	if a.proxy != nil {
		a.proxy.drain(ctx, a.Log)
	}
	app.stop(a.StopTimeout, a.Hurry)
	a.Log.Info("application ended", "status", app.code)
}

// patience ends with the drain timeout, with the application, or when it is time to hurry.
func (a *agent) patience(app *process) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), a.DrainTimeout)
	go func() {
		defer cancel()
		select {
		case <-a.Hurry:
		case <-app.done:
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
