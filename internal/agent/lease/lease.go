// Package lease keeps one instance in the registry, and takes it out.
//
// It must never fail because a server is away. Its one invariant: what the server is told of an instance never goes
// back to an older description.
package lease

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/doyen-mesh/doyen/internal/agent/backoff"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// callTimeout bounds one call of the server.
const callTimeout = 5 * time.Second

// goodbyeTimeout bounds what a goodbye takes beyond the wait that it asks for, and for how long it is said again
// when no server answers.
const goodbyeTimeout = 2 * time.Second

// renewals is how many renewals follow a check-in before the next one. Check-ins repeat the description, in case that
// a server has lost a part of it.
const renewals = registry.CheckInsPerLease - 1

// Pauses between check-ins that did not succeed.
const (
	firstRetry       = 250 * time.Millisecond
	lastRetry        = time.Second      // while no server answers
	lastRefusedRetry = 30 * time.Second // while the server refuses the check-in, as when another instance has the address
)

// Registry is what a Lease needs of the registry.
type Registry interface {
	Issue(ctx context.Context, key registry.Key) (registry.Incarnation, error)
	CheckIn(ctx context.Context, i registry.Instance) (api.CheckedIn, error)
	Renew(ctx context.Context, i registry.Instance) (api.Renewed, error)
	Leave(ctx context.Context, key registry.Key, incarnation registry.Incarnation, wait time.Duration) (api.Left, error)
}

// Lease keeps one instance in the registry: it checks in at once when the instance changes, again when
// the server asked for it, and again and again while no server answers.
type Lease struct {
	registry Registry
	log      *slog.Logger

	mu        sync.Mutex
	desired   registry.Instance    // without incarnation and sequence
	changed   chan struct{}        // one slot: there is a reason to check in now
	confirmed registry.Incarnation // of the last check-in if the server took it; zero if it refused it

	// Owned by Run; read by leave, after Run has returned.
	said  registry.Instance    // as it was described last, with the incarnation once there is one
	taken registry.Incarnation // the last one with which a server took a check-in
	// renewable is how often what is said may be renewed without repeating it.
	renewable int
}

// New returns the lease of an instance that has not been checked in.
func New(r Registry, i registry.Instance, log *slog.Logger) *Lease {
	return &Lease{registry: r, log: log, desired: i, changed: make(chan struct{}, 1)}
}

// Kept is what a lease knows, for the one that keeps the same instance in the registry after it.
type Kept struct {
	Desired   registry.Instance    `json:"desired"`
	Said      registry.Instance    `json:"said"`
	Taken     registry.Incarnation `json:"taken"`
	Confirmed registry.Incarnation `json:"confirmed"`
}

// Keep returns what l knows. Run must have returned.
func (l *Lease) Keep() Kept {
	l.mu.Lock()
	defer l.mu.Unlock()
	return Kept{Desired: l.desired, Said: l.said, Taken: l.taken, Confirmed: l.confirmed}
}

// Resume returns a lease that goes on where another one has ended: for the server it is the same incarnation.
func Resume(r Registry, k Kept, log *slog.Logger) *Lease {
	l := New(r, k.Desired, log)
	l.said, l.taken, l.confirmed = k.Said, k.Taken, k.Confirmed
	return l
}

// Update changes what the instance is checked in as. It never waits.
func (l *Lease) Update(change func(*registry.Instance)) {
	l.mu.Lock()
	change(&l.desired)
	l.mu.Unlock()
	l.Renew()
}

// Renew checks in now. It never waits.
func (l *Lease) Renew() {
	select {
	case l.changed <- struct{}{}:
	default:
	}
}

// SetState makes state, with the reason for it, what the instance is checked in with.
func (l *Lease) SetState(state registry.State, reason string) {
	l.Update(func(i *registry.Instance) { i.State, i.Reason = state, reason })
}

// isCheckedIn reports whether the server took the last check-in that it answered.
func (l *Lease) isCheckedIn() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.confirmed.IsZero()
}

// isKnownAs reports whether shown is the instance as it was checked in, and not another one in its place.
func (l *Lease) isKnownAs(shown api.Instance) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.confirmed.IsZero() || shown.Incarnation == l.confirmed
}

func (l *Lease) wanted() registry.Instance {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.desired
}

// Run keeps the instance checked in until ctx ends, and returns nil. It does not leave.
func (l *Lease) Run(ctx context.Context) error {
	told := checkInLog{log: l.log}
	unanswered := backoff.Backoff{First: firstRetry, Last: lastRetry}
	refused := backoff.Backoff{First: firstRetry, Last: lastRefusedRetry}
	for {
		l.describe(ctx)
		answer, err := l.checkIn(ctx)
		if ctx.Err() != nil {
			return nil
		}
		told.checkIn(l.said, answer, err)
		pause := l.conclude(answer, err)
		switch {
		case isRefused(err):
			pause = refused.Pause()
		case pause <= 0:
			pause = unanswered.Pause()
		default:
			unanswered.Reset()
			refused.Reset()
		}
		if !l.wait(ctx, pause) {
			return nil
		}
	}
}

// describe makes said what is wanted, with a sequence above that of what was said before. An instance
// that moves to another address leaves the old one.
func (l *Lease) describe(ctx context.Context) {
	i := l.wanted()
	if i.Key != l.said.Key && !l.said.Incarnation.IsZero() {
		if _, err := l.goodbye(ctx, 0); err != nil {
			l.log.Warn("could not leave the address before", "address", l.said.Address, "error", err)
		}
		l.said = registry.Instance{}
	}
	i.Incarnation, i.Sequence = l.said.Incarnation, l.said.Sequence
	if !i.Equal(&l.said) {
		i.Sequence++
		l.renewable = 0
	}
	l.said = i
}

// checkIn checks in what is said, with a new incarnation when there is none, or renews it if that is enough.
func (l *Lease) checkIn(ctx context.Context) (answer api.CheckedIn, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if l.said.Incarnation.IsZero() {
		if l.said.Incarnation, err = l.registry.Issue(ctx, l.said.Key); err != nil {
			return api.CheckedIn{}, err
		}
	}
	if l.renewable > 0 {
		l.renewable--
		renewed, err := l.registry.Renew(ctx, l.said)
		if err == nil {
			return api.CheckedIn{RenewAfter: renewed.RenewAfter, Warning: renewed.Warning}, nil
		}
		if !isRefused(err) {
			return api.CheckedIn{}, err
		}
	}
	return l.registry.CheckIn(ctx, l.said)
}

// isRefused reports whether the server refuses a check-in and will go on doing so until somebody changes something.
func isRefused(err error) bool {
	var refused *httpapi.Refused
	return errors.As(err, &refused) && !refused.Temporary() && refused.Status != http.StatusGone
}

// conclude draws the consequences of a check-in's answer and returns when to check in next; 0 is soon,
// with growing pauses.
func (l *Lease) conclude(answer api.CheckedIn, err error) time.Duration {
	if err != nil {
		l.renewable = 0
	}
	switch {
	case httpapi.IsStatus(err, http.StatusGone):
		l.said.Incarnation = registry.Incarnation{} // somebody said goodbye for this instance
	case httpapi.IsStatus(err, http.StatusConflict) && l.taken != l.said.Incarnation:
		// The server that issued it had not heard of the instance that has the address now.
		l.said.Incarnation = registry.Incarnation{}
	case isRefused(err):
		l.confirm(registry.Incarnation{})
	}
	if err != nil {
		return 0
	}
	l.taken = l.said.Incarnation
	l.confirm(l.said.Incarnation)
	if known := answer.Instance; known.Incarnation == l.said.Incarnation && known.Sequence >= l.said.Sequence && !known.Describes(&l.said) {
		l.said.Sequence = known.Sequence + 1 // somebody else changed the description
		return 0
	}
	if !answer.Instance.Incarnation.IsZero() { // it was no renewal
		l.renewable = renewals
	}
	return time.Duration(answer.RenewAfter)
}

func (l *Lease) confirm(incarnation registry.Incarnation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.confirmed = incarnation
}

// wait waits for pause, or until the instance has changed. It reports false when ctx has ended.
func (l *Lease) wait(ctx context.Context, pause time.Duration) bool {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-l.changed:
	case <-ctx.Done():
		return false
	}
	return true
}

// Leave takes the instance out of the registry. It waits up to wait, or until ctx ends, for the proxies
// of its callers to acknowledge that, and tries again for a while when no server answers: it may be
// restarting, and without a goodbye callers would go on until the lease lapses. The goodbye is said even
// when ctx has ended. It reports whether a server took it. unanswered is called once when no server answers at first, or
// none knows the instance. Run must have returned.
func (l *Lease) Leave(ctx context.Context, wait time.Duration, unanswered func()) bool {
	if l.said.Incarnation.IsZero() {
		l.log.Info("nothing to leave: no server has taken a check-in of this instance")
		unanswered()
		return false
	}
	left, err := l.goodbye(ctx, wait)
	if err != nil {
		unanswered()
	}
	retry := backoff.Backoff{First: firstRetry, Last: lastRetry}
	for giveUp := time.Now().Add(goodbyeTimeout); err != nil && time.Now().Before(giveUp) && backoff.Sleep(ctx, retry.Pause()); {
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

func (l *Lease) goodbye(ctx context.Context, wait time.Duration) (api.Left, error) {
	ctx, cancel := context.WithTimeout(ctx, wait+goodbyeTimeout)
	defer cancel()
	return l.registry.Leave(ctx, l.said.Key, l.said.Incarnation, wait)
}
