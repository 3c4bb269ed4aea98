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
	changes   []Change // those of requests first
	asked     int      // how many of them those are
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
		if b.decides(q) {
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
	b.asked = len(b.changes)
	for _, c := range b.changes {
		delete(r.unsaved, c.Key)
	}
	for key := range r.unsaved {
		if len(b.changes) >= MaxBatch {
			break
		}
		delete(r.unsaved, key)
		b.changes = append(b.changes, Change{key, r.Snapshot().Instance(key)})
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
	b.requests = append(b.requests, q)
}

// decides reports whether b changes something that decides about q.
func (b *batch) decides(q *request) bool {
	if q.instance == nil {
		_, twice := b.keys[q.key]
		return twice
	}
	return b.concerns(q.instance)
}

// concerns reports whether requests in b change something that decides about i.
func (b *batch) concerns(i *Instance) bool {
	if _, twice := b.keys[i.Key]; twice {
		return true
	}
	for address := range i.endpoints() {
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
		asked := slices.Clone(r.saving.changes[:r.saving.asked])
		r.noteStored(asked)
		r.apply(asked) // those who left have left before
	} else {
		for _, c := range r.saving.changes {
			r.unsaved[c.Key] = struct{}{} // whatever is stored of it now
		}
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
	r.retry = err == nil && len(r.unsaved) > 0
	r.saving = batch{}
	r.mergeDeferred()
}

// noteStored notes for the other servers what is stored now, and who loses an address by it.
func (r *Registry) noteStored(changes []Change) {
	if r.sharing == nil {
		return
	}
	now, snapshot := time.Now(), r.Snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range changes {
		if c.Instance != nil {
			r.sharing.note(c.Key)
		} else if displaced := snapshot.Instance(c.Key); displaced != nil {
			r.sharing.end(displaced, Lapsed, now)
			r.sharing.note(c.Key)
		}
	}
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
	r.retry = len(r.unsaved) > 0
	for r.save(ctx); r.busy; r.save(ctx) {
		err := <-r.saved
		r.conclude(err)
		if err != nil {
			return
		}
	}
}
