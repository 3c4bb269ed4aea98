package registry

import (
	"context"
	"slices"
	"time"
)

// saveTimeout limits one Save, for stores that observe their context.
const saveTimeout = 10 * time.Second

// batch is what is stored at once, and the requests that wait for it.
type batch struct {
	changes  []Change // those of requests first
	asked    int      // how many of them those are
	requests []*request
	orders   []*request          // about instances in changes
	keys     map[Key]struct{}    // of requests and changes
	sockets  map[Socket]struct{} // of the instances in changes
}

// save starts to store what has to be stored, unless a Save is running. Requests that arrive meanwhile go into the
// next batch, so many check-ins wait for the disk once.
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

// nextBatch returns what goes into one Save: the leaving instances, then the waiting requests up to the second one
// for the same instance, then removals that are not stored yet.
func (r *Registry) nextBatch() batch {
	b := batch{keys: make(map[Key]struct{}), sockets: make(map[Socket]struct{})}
	for len(r.leaving) > 0 && len(b.changes) < MaxBatch {
		b.add(r.leaving[0], []Change{r.present(r.leaving[0].key)})
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
		b.keys[key] = struct{}{}
		b.changes = append(b.changes, r.present(key))
	}
	r.addOrders(&b)
	return b
}

// present returns what the store has to keep of the instance with that key: itself, or its goodbye.
func (r *Registry) present(key Key) Change {
	c := Change{Key: key, Instance: r.Snapshot().checkedIn(key)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if ended, found := r.sharing.ending(key); found && c.Instance == nil && ended.Ended == Departed {
		c.Departed = ended.Instance.Incarnation
	}
	return c
}

// addOrders completes the changes with the orders, and moves the orders' requests to b that are stored with it.
func (r *Registry) addOrders(b *batch) {
	r.mu.Lock()
	for n := range b.changes {
		b.changes[n].Order = r.orders[b.changes[n].Key]
	}
	r.mu.Unlock()
	r.ordering = slices.DeleteFunc(r.ordering, func(q *request) bool {
		_, found := b.keys[q.key]
		if found {
			b.orders = append(b.orders, q)
		}
		return found
	})
}

func (b *batch) add(q *request, changes []Change) {
	for _, c := range changes {
		b.keys[c.Key] = struct{}{}
		if c.Instance != nil {
			for socket := range c.Instance.sockets() {
				b.sockets[socket] = struct{}{}
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
	for socket := range i.sockets() {
		if _, twice := b.sockets[socket]; twice {
			return true
		}
	}
	return false
}

// overlaps reports whether b changes one of the same instances.
func (b *batch) overlaps(changes []Change) bool {
	return slices.ContainsFunc(changes, func(c Change) bool {
		_, twice := b.keys[c.Key]
		return twice
	})
}

// decideOn returns what has to be stored for q. If that is nothing, it answers q, which is refused or has become a
// renewal. A leave has effect immediately.
func (r *Registry) decideOn(q *request) []Change {
	if q.instance == nil {
		if r.depart(q) {
			return []Change{r.present(q.key)}
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

// conclude applies what was stored, and answers the waiting requests. After an error, check-ins are refused and
// removals are tried again: the instances have left in any case.
func (r *Registry) conclude(err error) {
	r.busy = false
	r.logStoreState(err)
	if err == nil {
		asked := slices.Clone(r.saving.changes[:r.saving.asked])
		r.noteStored(asked)
		r.apply(asked) // those that left were removed before
	} else {
		for _, c := range r.saving.changes {
			r.unsaved[c.Key] = struct{}{} // it is not known what is stored of it now
		}
	}
	for _, q := range r.saving.orders {
		q.answer <- result{err: err}
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
			r.logDisplaced(q)
			q.answer <- result{grant: g}
		}
	}
	r.retry = err == nil && len(r.unsaved) > 0
	r.saving = batch{}
	r.mergeDeferred()
}

// noteStored notes for the other servers what is stored now, and which instances lose an address.
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
			r.end(displaced, Lapsed, now)
			r.sharing.note(c.Key)
		}
	}
}

// logDisplaced logs which instances lost an address to q.
func (r *Registry) logDisplaced(q *request) {
	for _, d := range q.admitted.displaced {
		r.log.Warn("instance took an address over", "instance", q.key.String(), "incarnation", q.admitted.instance.Incarnation.String(),
			"from", d.Key.String(), "incarnation before", d.Incarnation.String())
	}
}

// logStoreState logs when the store starts to fail and when it works again.
func (r *Registry) logStoreState(err error) {
	switch {
	case err != nil && !r.failing:
		r.log.Error("registry cannot store changes: new and changed instances are refused until it can", "error", err)
	case err == nil && r.failing:
		r.log.Info("registry can store changes again")
	}
	r.failing = err != nil
}

// flush stores what was accepted, each batch once.
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
