package registry

import (
	"context"
	"slices"
	"time"
)

const (
	// saveTimeout bounds one Save, so that a store that hangs becomes an error.
	saveTimeout = 10 * time.Second
	// sweepEvery is how often leases are looked at while any instance is missing, and so
	// how late a lease may lapse.
	sweepEvery = time.Second
	// awayAfter is how late a sweep must be for the process to count as having been away
	// (stopped, or its machine asleep): then it has heard nobody, and all leases are
	// extended by the time that it missed.
	awayAfter = 10 * time.Second
)

// Run does everything that changes the registry, until ctx ends; it is called once. Four
// things can happen: the end, a request (check-in or leave), an operator's decision about
// a doubt, and the time to look at leases. It returns nil when ctx ended.
func (r *Registry) Run(ctx context.Context) error {
	defer close(r.stopped)
	next := time.Now().Add(sweepEvery)
	timer := time.NewTimer(time.Until(next))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case q := <-r.requests:
			r.batch(ctx, q)
		case d := <-r.decisions:
			d.answer <- r.decide(ctx, d)
		case <-timer.C:
			r.sweep(ctx, time.Since(next))
			next = r.nextSweep(time.Now())
		}
		if sooner := r.nextSweep(time.Now()); sooner.Before(next) {
			next = sooner
		}
		timer.Reset(time.Until(next))
	}
}

// batch does first, and what else is asked for by now, as one step: one Save, one
// snapshot. Many check-ins at once wait for the disk once. A second request for the same
// key ends the batch and is a step of its own.
func (r *Registry) batch(ctx context.Context, first *request) {
	requests := []*request{first}
	keys := map[Key]struct{}{first.key: {}}
	for len(requests) < MaxBatch {
		var q *request
		select {
		case q = <-r.requests:
		default:
			r.do(ctx, requests)
			return
		}
		if _, twice := keys[q.key]; twice {
			r.do(ctx, requests)
			r.do(ctx, []*request{q})
			return
		}
		keys[q.key] = struct{}{}
		requests = append(requests, q)
	}
	r.do(ctx, requests)
}

// do carries the requests, which are of different keys, out.
func (r *Registry) do(ctx context.Context, requests []*request) {
	old := r.Snapshot()
	var changes []Change
	for _, q := range requests {
		known := old.Instance(q.key)
		if q.instance == nil && known == nil || q.instance != nil && known != nil && known.Equal(q.instance) {
			continue
		}
		changes = append(changes, Change{q.key, q.instance})
	}
	err := r.save(ctx, changes)
	if err != nil {
		changes = removals(changes)
	}
	r.apply(changes)
	for _, q := range requests {
		q.answer <- r.outcome(q, old, err)
	}
}

// outcome is the answer to q, after its change was made or failed with err.
func (r *Registry) outcome(q *request, old *Snapshot, err error) result {
	known := old.Instance(q.key) != nil
	if q.instance == nil {
		if !known {
			return result{err: ErrUnknown}
		}
		return result{}
	}
	if lease, ok := r.renew(q.instance); ok {
		return result{grant: grant(lease, !known)}
	}
	return result{err: err}
}

// apply makes changes the current state, as one snapshot.
func (r *Registry) apply(changes []Change) {
	if len(changes) == 0 {
		return
	}
	old := r.Snapshot()
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

// save stores changes and, with them, the removals that are owed to the store.
func (r *Registry) save(ctx context.Context, changes []Change) error {
	batch := r.withOwed(changes)
	if len(batch) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
	defer cancel()
	if err := r.store.Save(ctx, batch); err != nil {
		for _, c := range removals(batch) {
			r.owed[c.Key] = struct{}{}
		}
		r.log.Error("registry cannot store changes", "changes", len(batch), "error", err)
		return err
	}
	for _, c := range batch {
		delete(r.owed, c.Key)
	}
	return nil
}

// withOwed returns changes and as many of the owed removals as fit, no key twice.
func (r *Registry) withOwed(changes []Change) []Change {
	if len(r.owed) == 0 {
		return changes
	}
	batch := slices.Clone(changes)
	for key := range r.owed {
		if len(batch) >= MaxBatch {
			break
		}
		if !slices.ContainsFunc(changes, func(c Change) bool { return c.Key == key }) {
			batch = append(batch, Change{Key: key})
		}
	}
	return batch
}

func removals(changes []Change) []Change {
	var gone []Change
	for _, c := range changes {
		if c.Instance == nil {
			gone = append(gone, c)
		}
	}
	return gone
}
