package registry

import (
	"context"
	"slices"
	"time"
)

const (
	// sweepEvery is how often leases are looked at while any instance is missing, and so
	// how late a lease may lapse.
	sweepEvery = time.Second
	// awayAfter is how late a sweep must be for the process to count as having been away
	// (stopped by a signal, or starved): then it has heard nobody, and all leases are
	// extended by the time that it missed.
	awayAfter = 10 * time.Second
)

// Run does everything that changes the registry, until ctx ends; it is called once. Seven
// things can happen: the end, a check-in, a leave, records of other servers, an answer of
// the store, an operator's decision about a doubt, and the time to look at leases. None of them waits for the
// store. Run returns nil when ctx ended and the store has what it was asked for.
func (r *Registry) Run(ctx context.Context) error {
	defer close(r.stopped)
	next := time.Now().Add(sweepEvery)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			r.flush(ctx)
			return nil
		case q := <-r.moreCheckIns():
			r.takeAll(q)
		case q := <-r.leaves:
			r.take(q)
		case m := <-r.mergeRequests():
			r.merge(m.records)
			close(m.done)
		case err := <-r.saved:
			r.conclude(err)
		case d := <-r.decisions:
			d.answer <- r.decide(d)
		case <-timer.C:
			r.sweep(time.Since(next))
			next = r.nextSweep(time.Now())
		}
		r.passOn()
		r.save(ctx)
		if sooner := r.nextSweep(time.Now()); sooner.Before(next) {
			next = sooner
		}
		timer.Reset(time.Until(next))
	}
}

// moreCheckIns is where check-ins come from; nil while enough of them wait for the store.
func (r *Registry) moreCheckIns() <-chan *request {
	if len(r.waiting) >= MaxBatch {
		return nil
	}
	return r.checkIns
}

// takeAll takes q and the check-ins that are there by now, so that they share a Save.
func (r *Registry) takeAll(q *request) {
	for {
		r.take(q)
		select {
		case q = <-r.moreCheckIns():
		default:
			return
		}
	}
}

// take accepts a request. A leave has its effect at once, unless a check-in of the same
// instance is before it.
func (r *Registry) take(q *request) {
	if q.instance != nil || r.isPending(q.key) {
		r.waiting = append(r.waiting, q)
		return
	}
	if r.depart(q) {
		r.leaving = append(r.leaving, q)
	}
}

// depart takes an instance out of the snapshot because it leaves. When it is not there, depart
// answers and reports false.
func (r *Registry) depart(q *request) bool {
	known := r.Snapshot().Instance(q.key)
	incarnation := q.incarnation
	if known != nil && incarnation.IsZero() {
		incarnation = known.Incarnation
	}
	r.mu.Lock()
	r.departed.add(q.key.Address, incarnation, time.Now())
	stays := known != nil && known.Incarnation.Compare(incarnation) > 0
	if !stays && !incarnation.IsZero() {
		r.sharing.end(&Instance{Key: q.key, Incarnation: incarnation}, Departed, time.Now())
		r.sharing.note(q.key)
	}
	r.mu.Unlock()
	if known == nil || stays {
		q.answer <- result{err: ErrUnknown}
		return false
	}
	r.drop(q.key)
	return true
}

// isPending reports whether a request for the instance waits or is with the store.
func (r *Registry) isPending(key Key) bool {
	for _, q := range r.waiting {
		if q.key == key {
			return true
		}
	}
	for _, q := range r.saving.requests {
		if q.key == key && q.instance != nil {
			return true
		}
	}
	return false
}

// expire takes instances out whose leases ended.
func (r *Registry) expire(keys []Key) {
	now, snapshot := time.Now(), r.Snapshot()
	r.mu.Lock()
	for _, key := range keys {
		if i := snapshot.Instance(key); i != nil {
			r.sharing.end(i, Lapsed, now)
			r.sharing.note(key)
		}
	}
	r.mu.Unlock()
	r.drop(keys...)
}

// drop takes instances out of the snapshot, and tells the store soon.
func (r *Registry) drop(keys ...Key) {
	changes := make([]Change, 0, len(keys))
	for _, key := range keys {
		r.unsaved[key] = struct{}{}
		changes = append(changes, Change{Key: key})
	}
	r.retry = true
	r.apply(changes)
}

// apply makes changes (no key twice) the current state, as one snapshot.
func (r *Registry) apply(changes []Change) {
	old := r.Snapshot()
	changes = slices.DeleteFunc(changes, func(c Change) bool { return c.Instance == nil && old.Instance(c.Key) == nil })
	if len(changes) == 0 {
		return
	}
	for _, c := range changes {
		if known := old.Instance(c.Key); known != nil {
			r.release(known)
		}
	}
	for _, c := range changes {
		if c.Instance != nil {
			r.hold(c.Instance)
		}
	}
	fresh := old.with(changes)
	now := time.Now()
	r.mu.Lock()
	for _, c := range changes {
		if c.Instance == nil {
			r.leases.remove(c.Key)
		} else {
			r.leases.put(c.Instance, now)
		}
	}
	r.current.Store(fresh)
	r.mu.Unlock()
	close(old.changed)
}
