package registry

import (
	"context"
	"fmt"
	"slices"
	"time"
)

const (
	// sweepEvery is how often leases are checked while any instance is missing, which is also how late a lease may
	// lapse.
	sweepEvery = time.Second
	// awayAfter is the delay of a sweep from which the process counts as having been stopped (by a signal, or without
	// CPU time). Then it could receive no check-in, and all leases are extended by the time that it missed.
	awayAfter = 10 * time.Second
)

// Run makes all changes of the registry, until ctx ends. It is called once. It handles these events: a check-in, a
// leave, an order, the set of a source, records of other servers, an answer of the store, an operator's decision about a doubt, the time to check
// leases, and the end. None of them waits for the store. Run returns nil after ctx has ended and everything that was
// accepted is stored.
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

// moreCheckIns returns the channel of check-ins; nil while enough of them wait for the store.
func (r *Registry) moreCheckIns() <-chan *request {
	if len(r.waiting) >= MaxBatch {
		return nil
	}
	return r.checkIns
}

// takeAll takes q and the check-ins that have arrived by now, so that they share one Save.
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

// take accepts a request. A leave has effect immediately, unless a check-in of the same instance precedes it.
func (r *Registry) take(q *request) {
	switch {
	case q.order != nil:
		r.takeOrder(q)
		return
	case q.source != nil:
		r.takeSource(q.source)
		q.answer <- result{}
		return
	}
	if q.instance != nil || r.isPending(q.key) {
		r.waiting = append(r.waiting, q)
		return
	}
	if r.depart(q) {
		r.leaving = append(r.leaving, q)
	}
}

// depart removes an instance that leaves from the snapshot. If it is not registered, depart answers the request and
// reports false.
func (r *Registry) depart(q *request) bool {
	known := r.Snapshot().Instance(q.key)
	if known != nil && known.Source != "" {
		q.answer <- result{err: fmt.Errorf("%v: %w: %s", q.key, ErrSourced, known.Source)}
		return false
	}
	incarnation := q.incarnation
	if known != nil && incarnation.IsZero() {
		incarnation = known.Incarnation
	}
	r.mu.Lock()
	r.departed.add(q.key.Socket(), incarnation, time.Now())
	stays := known != nil && known.Incarnation.Compare(incarnation) > 0
	if !stays && !incarnation.IsZero() {
		r.end(&Instance{Key: q.key, Incarnation: incarnation}, Departed, time.Now())
		r.sharing.note(q.key)
	}
	r.mu.Unlock()
	if known == nil && r.sharing != nil && !incarnation.IsZero() {
		r.unsaved[q.key], r.retry = struct{}{}, true // other servers may know it
	}
	if known == nil || stays {
		q.answer <- result{err: ErrUnknown}
		return false
	}
	r.drop(q.key)
	return true
}

// isPending reports whether a request for the instance waits or is being stored.
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

// expire removes instances whose leases ended.
func (r *Registry) expire(keys []Key) {
	now, snapshot := time.Now(), r.Snapshot()
	r.mu.Lock()
	for _, key := range keys {
		if i := snapshot.Instance(key); i != nil {
			r.end(i, Lapsed, now)
			r.sharing.note(key)
		}
	}
	r.mu.Unlock()
	r.drop(keys...)
}

// drop removes instances from the snapshot, and from the store soon.
func (r *Registry) drop(keys ...Key) {
	changes := make([]Change, 0, len(keys))
	for _, key := range keys {
		r.unsaved[key] = struct{}{}
		changes = append(changes, Change{Key: key})
	}
	r.retry = true
	r.apply(changes)
}

// apply applies changes (no key twice), as one snapshot.
func (r *Registry) apply(changes []Change) {
	old := r.Snapshot()
	r.mu.Lock()
	for n, c := range changes {
		changes[n].Instance = c.Instance.under(r.orders[c.Key])
	}
	r.mu.Unlock()
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
