package registry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"
)

// Grant is the answer to a check-in.
type Grant struct {
	Lease
	Created    bool          // the instance was not known before
	Displaced  []Claim       // the instances that had one of its addresses until now
	Rival      *Claim        // an earlier incarnation that still claims its address; nil if there is none
	RenewAfter time.Duration // when to check in again: the check-in interval less up to a tenth, so that a fleet spreads
}

// request asks Run for a change: a check-in, an order, or a leave if instance and order are nil.
type request struct {
	key         Key
	instance    *Instance
	incarnation Incarnation // which one leaves; zero is any
	order       *Order      // an operator's order in place of a leave; without a version
	source      *sourced    // a source's set in place of a leave
	created     bool        // the instance was not known before
	admitted    admission   // the effect of a check-in, once it is being stored
	answer      chan result // has room for the one answer
}

type result struct {
	grant Grant
	err   error
}

// CheckIn registers the instance, with defaults for its zero weight, state and lease, or renews its lease if it is
// registered with the same description. When CheckIn returns without an error, the instance is stored and in the
// current snapshot.
//
// The instance takes over its addresses from instances of earlier incarnations. An instance without an incarnation
// gets the registered one, or begins a new one.
//
// The errors are [Invalid], [ErrLeft], [Taken], the store's (see [ErrFull]), [ErrStopped] and those of ctx. After an
// error of ctx, the check-in may or may not have happened. A renewal needs no store and never waits.
func (r *Registry) CheckIn(ctx context.Context, instance Instance) (Grant, error) {
	i := instance.WithDefaults().clone()
	if found := i.Problems(); len(found) > 0 {
		return Grant{}, Invalid(found)
	}
	if i.Sequence > MaxSequence {
		return Grant{}, Invalid{{"sequence", fmt.Sprintf("%d is out of range", i.Sequence), fmt.Sprintf("at most %d", uint64(MaxSequence))}}
	}
	if g, renewed := r.renew(i); renewed {
		return g, nil
	}
	if !r.notice(i.Incarnation) {
		return Grant{}, Invalid{{"incarnation", fmt.Sprintf("%v is far above every one that a server has issued", i.Incarnation), "the one that a server issued"}}
	}
	return r.ask(ctx, r.checkIns, &request{key: i.Key, instance: i})
}

// Leave removes the instance from the registry. It is removed from the snapshot immediately, whatever the store does,
// because no traffic must reach an instance that has left. Leave returns when the removal is stored, or when storing
// it failed and will be tried again later.
//
// With an incarnation, only that one and earlier ones leave, and permanently: a delayed check-in of theirs is refused
// ([ErrLeft]). Without one, the registered instance leaves whatever its incarnation is.
//
// The errors are [ErrUnknown] if the instance is not registered, [ErrStopped] and those of ctx. After an error of
// ctx, the instance has usually left.
func (r *Registry) Leave(ctx context.Context, key Key, incarnation Incarnation) error {
	if !r.notice(incarnation) {
		return ErrUnknown
	}
	_, err := r.ask(ctx, r.leaves, &request{key: key, incarnation: incarnation})
	return err
}

// notice ensures that incarnations issued from now on are above i. It reports whether i is plausible.
func (r *Registry) notice(i Incarnation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.incarnations.plausible(i) {
		return false
	}
	r.incarnations.seen(i)
	return true
}

// Renew renews the lease of the registered instance if it is that version of that incarnation, whose description the
// caller need not repeat. Otherwise it reports false, and whether an instance is registered at all.
func (r *Registry) Renew(key Key, incarnation Incarnation, sequence uint64) (g Grant, registered, renewed bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases.byKey[key]
	if l == nil || l.instance.Incarnation != incarnation || l.instance.Sequence != sequence {
		return Grant{}, l != nil, false
	}
	l.renew(now)
	r.sharing.heard(l)
	return l.grant(now), true, true
}

// IsPlausible reports whether a server can have issued i, as far as this one knows. Records of other incarnations are not
// merged.
func (r *Registry) IsPlausible(i Incarnation) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.incarnations.plausible(i)
}

// renew extends the lease of an instance if its description and its incarnation are the registered ones.
func (r *Registry) renew(i *Instance) (Grant, bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases.byKey[i.Key]
	if l == nil || !l.instance.Equal(i) || !i.Incarnation.IsZero() && !l.instance.sameVersion(i) {
		return Grant{}, false
	}
	l.renew(now)
	r.sharing.heard(l)
	return l.grant(now), true
}

// ask passes q to Run and waits for the answer.
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

// grant returns the answer to a check-in that renewed l.
func (l *lease) grant(now time.Time) Grant {
	interval := l.instance.CheckInInterval()
	g := Grant{Lease: Lease{l.instance, l.expires}, RenewAfter: interval - rand.N(interval/10)}
	if now.Sub(l.rivalSince) < 2*interval {
		rival := l.rival
		g.Rival = &rival
	}
	return g
}

// sameVersion reports whether i and j are of the same incarnation and sequence.
func (i *Instance) sameVersion(j *Instance) bool {
	return i.Incarnation == j.Incarnation && i.Sequence == j.Sequence
}
