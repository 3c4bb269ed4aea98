package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Grant answers a check-in.
type Grant struct {
	Lease
	Created    bool          // the instance was not known before
	RenewAfter time.Duration // when to check in again: the check-in interval less up to a tenth, so that a fleet spreads
}

// request asks Run for a change: a check-in, or a leave when instance is nil.
type request struct {
	key      Key
	instance *Instance
	created  bool        // the instance was not known before
	answer   chan result // has room for the one answer
}

type result struct {
	grant Grant
	err   error
}

// CheckIn puts the instance into the registry, with defaults for its zero weight, state
// and lease, or renews its lease when it is there and described in the same way. When
// CheckIn returns without an error, the instance is stored and in the current snapshot.
//
// Its errors are [Invalid], the store's (see [ErrFull]), [ErrStopped] and those of ctx;
// after the last, the check-in may or may not have happened. A renewal needs no store and
// never waits.
func (r *Registry) CheckIn(ctx context.Context, instance Instance) (Grant, error) {
	i := instance.WithDefaults().clone()
	if found := i.Problems(); len(found) > 0 {
		return Grant{}, Invalid(found)
	}
	if lease, renewed := r.renew(i); renewed {
		return grant(lease, false), nil
	}
	return r.ask(ctx, r.checkIns, &request{key: i.Key, instance: i})
}

// Leave takes the instance out of the registry: out of the snapshot at once, whatever the
// store does, for nothing must keep traffic coming to an instance that said goodbye. It
// returns when the store was told, or failed and will be told later. Its errors are
// [ErrUnknown] when the instance was not there, [ErrStopped] and those of ctx; after the
// last, the instance has left as a rule.
func (r *Registry) Leave(ctx context.Context, key Key) error {
	_, err := r.ask(ctx, r.leaves, &request{key: key})
	return err
}

// renew extends the lease of an instance that is described as before.
func (r *Registry) renew(i *Instance) (Lease, bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases.byKey[i.Key]
	if l == nil || !l.instance.Equal(i) {
		return Lease{}, false
	}
	l.renew(now)
	return Lease{l.instance, l.expires}, true
}

// ask hands q to Run and waits for its answer.
func (r *Registry) ask(ctx context.Context, run chan<- *request, q *request) (Grant, error) {
	q.answer = make(chan result, 1)
	select {
	case run <- q:
	case <-r.stopped:
		return Grant{}, ErrStopped
	case <-ctx.Done():
		return Grant{}, ctx.Err()
	}
	select {
	case a := <-q.answer:
		return a.grant, a.err
	case <-ctx.Done():
		return Grant{}, fmt.Errorf("%v: no answer from the store yet: %w", q.key, ctx.Err())
	case <-r.stopped:
	}
	select {
	case a := <-q.answer: // it was the last thing that Run did
		return a.grant, a.err
	default:
		return Grant{}, ErrStopped
	}
}

func grant(l Lease, created bool) Grant {
	interval := l.CheckInInterval()
	return Grant{l, created, interval - rand.N(interval/10)}
}
