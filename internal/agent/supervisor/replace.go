package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/process"
)

// validateTimeout bounds how long an Envoy may look at its bootstrap.
const validateTimeout = 30 * time.Second

// callersLearn is how long callers have to learn from the registry that an instance is not ready, before its Envoy asks
// them to go.
const callersLearn = time.Second

var errReplaced = errors.New("envoy is being replaced")

// adopt takes over the Envoy that runs. If it is another program, or has other arguments than an Envoy that is started now, it
// is replaced.
func (e *Envoy) adopt(ctx context.Context) (generation, error) {
	inherited := *e.Inherited
	e.Inherited, e.base = nil, inherited.Base
	child, err := process.Adopt(e.command(inherited.Identity), inherited.Released)
	old := generation{inherited.Identity, child}
	if err != nil || old.Command == e.fingerprint() {
		return old, err
	}
	return e.replace(ctx, old)
}

// replace starts the next Envoy in place of the one that runs: by a hot restart, which loses nothing, or else after the
// one that runs has drained. If the next one does not accept its bootstrap, the one that runs goes on.
func (e *Envoy) replace(ctx context.Context, old generation) (generation, error) {
	e.replaces.Store(true)
	defer e.replaces.Store(false)
	if err := e.validate(ctx); err != nil {
		e.Log.Error("envoy goes on as it is: the next one does not accept its bootstrap", "error", err)
		return old, nil
	}
	next := Identity{Base: old.Base, Epoch: old.Epoch + 1, Command: e.fingerprint()}
	err := e.cannotTakeOver(ctx, old)
	if err == nil {
		var g generation
		if g, err = e.takeOver(ctx, old, next); err == nil {
			return g, nil
		}
	}
	e.Log.Warn("envoy cannot be hot restarted: it is drained, and then the next one is started", "error", err)
	e.Ready(errReplaced)
	backoff.Sleep(ctx, callersLearn)
	draining, cancel := context.WithTimeout(ctx, e.DrainTimeout)
	defer cancel()
	e.Drain(draining, false)
	old.Stop(envoyGrace, e.Hurry)
	e.draining.Store(false)
	return e.startFirst()
}

// validate runs the next Envoy to look at its bootstrap.
func (e *Envoy) validate(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, validateTimeout)
	defer cancel()
	c := e.command(Identity{})
	cmd := exec.CommandContext(ctx, c.Path, append(c.Args, "--mode", "validate")...)
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, printable.Text(strings.TrimSpace(string(out))))
	}
	return nil
}

// cannotTakeOver is nil when the next Envoy can take over from the one that runs, as far as they say.
func (e *Envoy) cannotTakeOver(ctx context.Context, old generation) error {
	if old.Base == 0 {
		return errors.New("it was started without")
	}
	from, err := hotRestartVersion(ctx, fmt.Sprintf("/proc/%d/exe", old.PID()))
	if err != nil {
		return err
	}
	to, err := hotRestartVersion(ctx, e.Path)
	if err == nil && from != to {
		err = fmt.Errorf("the hot restart version of the one that runs is %s, of the next one %s", printable.Text(from), printable.Text(to))
	}
	return err
}

// takeOver starts an Envoy that takes over from old, and waits until it serves. Until then, old does. Then old drains, and
// ends after its shutdown time.
func (e *Envoy) takeOver(ctx context.Context, old generation, id Identity) (generation, error) {
	next, err := e.start(id)
	if err != nil {
		return next, err
	}
	for !e.admin.isLive(ctx, id.Epoch) {
		select {
		case <-next.Done():
			return next, fmt.Errorf("the next one ended with status %d", next.Code())
		default:
		}
		if !backoff.Sleep(ctx, readyEager) {
			break // the next one is ended with the agent, or goes on with it
		}
	}
	e.parent.Store(&old)
	e.Log.Info("envoy was hot restarted: the one before it drains", "epoch", id.Epoch, "pid", next.PID())
	e.parents.Go(func() { e.seeOff(old) })
	return next, nil
}

// seeOff waits until an Envoy that is replaced has ended, which the next one makes it do. It asks callers to leave with its
// responses. After half of its time, the others are asked.
func (e *Envoy) seeOff(old generation) {
	half := time.NewTimer(e.DrainTimeout / 2)
	defer half.Stop()
	limit := time.NewTimer(max(time.Second, e.DrainTimeout) + 2*parentGrace)
	defer limit.Stop()
	for running := true; running; {
		select {
		case <-old.Done():
			running = false
		case <-half.C:
			e.drainCallers(old.Epoch, true)
		case <-limit.C:
			old.Stop(envoyGrace, e.Hurry)
		}
	}
	e.parent.Store(nil)
	e.Log.Info("the envoy before has ended", "pid", old.PID(), "status", old.Code())
}

// isLive reports whether the Envoy of that epoch answers, and has its configuration.
func (p *admin) isLive(ctx context.Context, epoch int) bool {
	answer, err := p.call(ctx, http.MethodGet, "/server_info")
	if err != nil {
		return false
	}
	var info struct {
		State   string `json:"state"`
		Options struct {
			Epoch int `json:"restart_epoch"`
		} `json:"command_line_options"`
	}
	return json.Unmarshal(answer, &info) == nil && info.State == "LIVE" && info.Options.Epoch == epoch
}
