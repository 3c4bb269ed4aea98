package agent

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// callTimeout bounds one call of the server.
const callTimeout = 5 * time.Second

// goodbyeTimeout bounds what a goodbye takes beyond the wait that it asks for, and for how long it is said again
// when no server answers.
const goodbyeTimeout = 2 * time.Second

// Pauses between check-ins that did not succeed.
const (
	firstRetry = 250 * time.Millisecond
	lastRetry  = 5 * time.Second
)

// registrar is what a lease needs of the registry.
type registrar interface {
	CheckIn(ctx context.Context, i registry.Instance) (api.CheckedIn, error)
	Leave(ctx context.Context, key registry.Key, wait time.Duration) (api.Left, error)
}

// lease keeps one instance in the registry: it checks in at once when the state changes, again when
// the server asked for it, and again and again while no server answers.
type lease struct {
	registry registrar
	instance registry.Instance // as it first checks in
	log      *slog.Logger

	mu     sync.Mutex          // makes want one step
	wanted chan registry.State // one slot: the newest state that run has not taken yet
}

func newLease(r registrar, i registry.Instance, log *slog.Logger) *lease {
	return &lease{registry: r, instance: i, log: log, wanted: make(chan registry.State, 1)}
}

// want makes s the state to check in with. It never waits.
func (l *lease) want(s registry.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.wanted:
	default:
	}
	l.wanted <- s
}

// run keeps the instance checked in until ctx ends. It does not leave.
func (l *lease) run(ctx context.Context) {
	i, told := l.instance, journal{log: l.log}
	retry := backoff{first: firstRetry, last: lastRetry}
	for {
		answer, err := l.checkIn(ctx, i)
		if ctx.Err() != nil {
			return
		}
		told.checkIn(i, answer, err)
		pause := time.Duration(answer.RenewAfter)
		if err != nil || pause <= 0 {
			pause = retry.pause()
		} else {
			retry.reset()
		}
		if i.State, err = l.wait(ctx, pause, i.State); err != nil {
			return
		}
	}
}

// wait returns the state to check in with next: another one at once, the same after pause.
func (l *lease) wait(ctx context.Context, pause time.Duration, state registry.State) (registry.State, error) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return state, nil
	case wanted := <-l.wanted:
		return wanted, nil
	case <-ctx.Done():
		return state, ctx.Err()
	}
}

func (l *lease) checkIn(ctx context.Context, i registry.Instance) (api.CheckedIn, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return l.registry.CheckIn(ctx, i)
}

// leave takes the instance out of the registry. It waits up to wait, or until ctx ends, for the proxies
// of its callers to acknowledge that, and tries again for a while when no server answers: it may be
// restarting, and without a goodbye callers would go on until the lease lapses. The goodbye is said even
// when ctx has ended. It reports whether a server took it. run must have returned, or a check-in would
// bring the instance back.
func (l *lease) leave(ctx context.Context, wait time.Duration) bool {
	left, err := l.goodbye(ctx, wait)
	retry := backoff{first: firstRetry, last: lastRetry}
	for giveUp := time.Now().Add(goodbyeTimeout); err != nil && time.Now().Before(giveUp) && sleep(ctx, retry.pause()); {
		left, err = l.goodbye(ctx, wait)
	}
	if ctx.Err() != nil {
		left, err = l.goodbye(context.WithoutCancel(ctx), 0)
	}
	switch {
	case err != nil:
		l.log.Warn("could not leave the registry: callers go on until the lease lapses", "error", err)
	case left.Acknowledged:
		l.log.Info("left the registry; no proxy calls this instance any more", "waited", left.Waited.String())
	default:
		l.log.Info("left the registry; proxies may still call this instance", "reason", left.Reason)
	}
	return err == nil
}

func (l *lease) goodbye(ctx context.Context, wait time.Duration) (api.Left, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+goodbyeTimeout)
	defer cancel()
	return l.registry.Leave(ctx, l.instance.Key, wait)
}

// journal logs check-ins where something changed, not each.
type journal struct {
	log     *slog.Logger
	state   registry.State
	trouble bool
}

func (j *journal) checkIn(i registry.Instance, answer api.CheckedIn, err error) {
	if err != nil {
		if !j.trouble {
			j.fail(err)
		}
		j.trouble = true
		return
	}
	if j.trouble || j.state != i.State {
		j.log.Info("checked in", "state", i.State, "address", i.Address)
	}
	if answer.Warning != "" && j.state != i.State {
		j.log.Warn("check-in accepted with a warning", "warning", answer.Warning)
	}
	j.trouble, j.state = false, i.State
}

// fail tells apart a server that is away from one that says no, which no patience mends.
func (j *journal) fail(err error) {
	var refused *client.Error
	if errors.As(err, &refused) && !refused.Temporary() {
		j.log.Error("the server refuses the check-in", "error", err)
		return
	}
	j.log.Warn("check-in goes unanswered: trying again", "error", err)
}
