package agent

import (
	"context"
	"errors"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/health"
	"github.com/doyen-mesh/doyen/internal/agent/supervisor"
)

// runApplication starts the application when it is time to, or goes on with the one that runs, and ends the agent when
// it ends.
func (i *instance) runApplication(ctx context.Context) error {
	app := &supervisor.Application{
		Command: i.Command, StopTimeout: i.StopTimeout, Hurry: i.Hurry, Stdout: i.Stdout, Stderr: i.Stderr, Log: i.Log,
		Thread: i.host.thread(),
	}
	found, err := i.inheritApplication(app)
	if err != nil {
		return err
	}
	if app.Inherited == nil {
		if !i.mayStart(ctx) {
			return nil
		}
		found = i.lookForStrangers(ctx)
		env, err := i.environment()
		if err != nil {
			return err
		}
		app.Environment = append(inherited(), env...)
	}
	i.app = app
	app.Started = func() { i.started.set(found) }
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
	for _, waited := range []struct {
		what  string
		until <-chan struct{}
	}{{"envoy is not ready yet", i.ready}, {"connections are not captured yet", i.capture.added}} {
		select {
		case <-waited.until:
		case <-timer.C:
			i.Log.Warn(waited.what + ": starting the application all the same")
			return true
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// prober checks the application as its manifest says, or with the command of the agent's own command line.
func (i *instance) prober(p *plan) health.Prober {
	if i.HealthCommand == "" {
		return p.prober
	}
	return p.prober.WithCommand(i.HealthCommand, i.HealthCommandTimeout, func() ([]string, error) {
		env, err := i.environment()
		return append(inherited(), env...), err
	})
}
