package registry

import (
	"context"
	"time"
)

// saveTimeout bounds one Save, for stores that heed their context.
const saveTimeout = 10 * time.Second

// batch is what the store is told at once, and who waits for that.
type batch struct {
	changes  []Change
	requests []*request
	keys     map[Key]struct{} // of requests and changes
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
// second request for one instance, then removals that are owed.
func (r *Registry) nextBatch() batch {
	b := batch{keys: make(map[Key]struct{})}
	for len(r.leaving) > 0 && len(b.changes) < MaxBatch {
		b.add(r.leaving[0], Change{Key: r.leaving[0].key})
		r.leaving = r.leaving[1:]
	}
	for len(r.waiting) > 0 && len(b.changes) < MaxBatch {
		q := r.waiting[0]
		if _, twice := b.keys[q.key]; twice {
			break
		}
		r.waiting = r.waiting[1:]
		if !r.answered(q) {
			b.add(q, Change{q.key, q.instance})
		}
	}
	for key := range r.owed {
		if len(b.changes) >= MaxBatch {
			break
		}
		if _, twice := b.keys[key]; !twice {
			b.add(nil, Change{Key: key})
		}
	}
	return b
}

func (b *batch) add(q *request, c Change) {
	b.keys[c.Key] = struct{}{}
	b.changes = append(b.changes, c)
	if q != nil {
		b.requests = append(b.requests, q)
	}
}

// answered answers a request that the store need not be told: a leave of who is not there,
// or a check-in that has become a renewal. A leave of who is there has its effect.
func (r *Registry) answered(q *request) bool {
	known := r.Snapshot().Instance(q.key)
	q.created = known == nil
	switch {
	case q.instance == nil && known == nil:
		q.answer <- result{err: ErrUnknown}
	case q.instance == nil:
		r.drop(q.key)
		return false
	case known == nil || !known.Equal(q.instance):
		return false
	default:
		lease, _ := r.renew(q.instance)
		q.answer <- result{grant: grant(lease, false)}
	}
	return true
}

// conclude makes what the store has taken current, and answers who waited for it. After an
// error, check-ins are refused and removals stay owed: those who left have left.
func (r *Registry) conclude(err error) {
	r.busy = false
	r.tell(err)
	var added []Change
	for _, c := range r.saving.changes {
		if err != nil {
			break
		}
		delete(r.owed, c.Key)
		if c.Instance != nil {
			added = append(added, c)
		}
	}
	r.apply(added)
	for _, q := range r.saving.requests {
		switch {
		case q.instance == nil:
			q.answer <- result{}
		case err != nil:
			q.answer <- result{err: err}
		default:
			lease, _ := r.renew(q.instance)
			q.answer <- result{grant: grant(lease, q.created)}
		}
	}
	r.retry = err == nil && len(r.owed) > 0
	r.saving = batch{}
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
