package registry

import (
	"context"
	"net/netip"
	"slices"
	"time"
)

// saveTimeout bounds one Save, for stores that heed their context.
const saveTimeout = 10 * time.Second

// batch is what the store is told at once, and who waits for that.
type batch struct {
	changes   []Change
	requests  []*request
	keys      map[Key]struct{}            // of requests and changes
	addresses map[netip.AddrPort]struct{} // of the instances in changes
}

// save tells the store what there is to tell, unless it is busy. What comes while it is
// goes into the next batch: many check-ins wait for the disk once.
func (r *Registry) save(ctx context.Context) {
	for !r.busy && (len(r.waiting) > 0 || len(r.leaving) > 0 || r.retry) {
		r.retry = false
		r.saving = r.nextBatch()
		if len(r.saving.changes) == 0 {
			continue
		}
		r.busy = true
		changes := r.saving.changes
		go func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), saveTimeout)
			defer cancel()
			r.saved <- r.store.Save(ctx, changes)
		}()
	}
}

// nextBatch takes what goes into one Save: those who leave, then those who wait, up to the
// second request for one instance, then removals that are not saved yet.
func (r *Registry) nextBatch() batch {
	b := batch{keys: make(map[Key]struct{}), addresses: make(map[netip.AddrPort]struct{})}
	for len(r.leaving) > 0 && len(b.changes) < MaxBatch {
		b.add(r.leaving[0], []Change{{Key: r.leaving[0].key}})
		r.leaving = r.leaving[1:]
	}
	for len(r.waiting) > 0 && len(b.changes) < MaxBatch {
		q := r.waiting[0]
		if b.concerns(q) {
			break
		}
		changes := r.decideOn(q)
		if b.overlaps(changes) || len(b.changes)+len(changes) > MaxBatch {
			break
		}
		r.waiting = r.waiting[1:]
		if len(changes) > 0 {
			b.add(q, changes)
		}
	}
	for key := range r.unsavedRemovals {
		if len(b.changes) >= MaxBatch {
			break
		}
		if _, twice := b.keys[key]; !twice {
			b.add(nil, []Change{{Key: key}})
		}
	}
	return b
}

func (b *batch) add(q *request, changes []Change) {
	for _, c := range changes {
		b.keys[c.Key] = struct{}{}
		if c.Instance != nil {
			for address := range c.Instance.endpoints() {
				b.addresses[address] = struct{}{}
			}
		}
	}
	b.changes = append(b.changes, changes...)
	if q != nil {
		b.requests = append(b.requests, q)
	}
}

// concerns reports whether b changes something that decides about q.
func (b *batch) concerns(q *request) bool {
	if _, twice := b.keys[q.key]; twice || q.instance == nil {
		return twice
	}
	for address := range q.instance.endpoints() {
		if _, twice := b.addresses[address]; twice {
			return true
		}
	}
	return false
}

// overlaps reports whether b has a change of one of the same instances.
func (b *batch) overlaps(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool {
		_, twice := b.keys[c.Key]
		return twice
	})
}

// decideOn returns what the store has to be told for q. When that is nothing, q is answered: it
// is refused, or has become a renewal. A leave has its effect at once.
func (r *Registry) decideOn(q *request) []Change {
	if q.instance == nil {
		if r.depart(q) {
			return []Change{{Key: q.key}}
		}
		return nil
	}
	q.created = r.Snapshot().Instance(q.key) == nil
	a := r.admit(q.instance)
	if a.err != nil {
		q.answer <- result{err: a.err}
		return nil
	}
	if a.renewal {
		g, _ := r.renew(a.instance)
		q.answer <- result{grant: g}
		return nil
	}
	q.admitted = a
	return a.changes()
}

// conclude makes what the store has taken current, and answers who waited for it. After an
// error, check-ins are refused and removals are tried again: those who left have left.
func (r *Registry) conclude(err error) {
	r.busy = false
	r.tell(err)
	if err == nil {
		for _, c := range r.saving.changes {
			delete(r.unsavedRemovals, c.Key)
		}
		r.apply(slices.Clone(r.saving.changes)) // those who left have left before
	}
	for _, q := range r.saving.requests {
		switch {
		case q.instance == nil:
			q.answer <- result{}
		case err != nil:
			q.answer <- result{err: err}
		default:
			g, _ := r.renew(q.admitted.instance)
			g.Created, g.Displaced = q.created, q.admitted.displaced
			r.tellDisplaced(q)
			q.answer <- result{grant: g}
		}
	}
	r.retry = err == nil && len(r.unsavedRemovals) > 0
	r.saving = batch{}
}

// tellDisplaced logs who lost an address to q.
func (r *Registry) tellDisplaced(q *request) {
	for _, d := range q.admitted.displaced {
		r.log.Warn("instance took an address over", "instance", q.key.String(), "incarnation", q.admitted.instance.Incarnation.String(),
			"from", d.Key.String(), "incarnation before", d.Incarnation.String())
	}
}

// tell logs when the store begins to fail and when it is well again.
func (r *Registry) tell(err error) {
	switch {
	case err != nil && !r.failing:
		r.log.Error("registry cannot store changes: new and changed instances are refused until it can", "error", err)
	case err == nil && r.failing:
		r.log.Info("registry can store changes again")
	}
	r.failing = err != nil
}

// flush lets the store have what was accepted, once each.
func (r *Registry) flush(ctx context.Context) {
	for r.save(ctx); r.busy; r.save(ctx) {
		err := <-r.saved
		r.conclude(err)
		if err != nil {
			return
		}
	}
}
