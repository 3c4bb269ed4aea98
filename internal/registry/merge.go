package registry

import (
	"context"
	"time"
)

// maxDeferred limits the records that wait for the store. Further ones are dropped; they come again when servers
// compare their records.
const maxDeferred = 1 << 12

// mergeRequest asks Run to merge records.
type mergeRequest struct {
	records []Record
	done    chan struct{} // closes when that is done
}

// Merge merges records from other servers, of valid instances, into the registry. Records that are later than the
// registry's are in the snapshot when Merge returns, and are stored soon. If the registry's record is later, it
// counts as changed, so that the other servers get it ([Registry.TakeChanges]). The errors are [ErrStopped] and those
// of ctx.
func (r *Registry) Merge(ctx context.Context, records []Record) error {
	m := &mergeRequest{records, make(chan struct{})}
	select {
	case r.sharing.merges <- m:
	case <-r.stopped:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-m.done:
		return nil
	case <-r.stopped:
		return ErrStopped
	}
}

// mergeRequests returns the channel of records; nil if the registry is not shared.
func (r *Registry) mergeRequests() <-chan *mergeRequest {
	if r.sharing == nil {
		return nil
	}
	return r.sharing.merges
}

// merging collects the changes that records make, so that they make one snapshot.
type merging struct {
	changes []Change
	keys    map[Key]struct{}
	sockets map[Socket]struct{}
}

// merge takes records in.
func (r *Registry) merge(records []Record) {
	m := newMerging()
	for _, record := range records {
		i := record.Instance
		if record.Order {
			if m.touches(i) {
				r.applyMerged(m)
				m = newMerging()
			}
			r.mergeOrder(record)
			continue
		}
		if !r.notice(i.Incarnation) || i.Incarnation.IsZero() {
			continue
		}
		if r.busy && r.saving.concerns(i) {
			if len(r.sharing.deferred) < maxDeferred {
				r.sharing.deferred = append(r.sharing.deferred, record)
			}
			continue
		}
		if m.touches(i) {
			r.applyMerged(m)
			m = newMerging()
		}
		r.mergeOne(m, record)
	}
	r.applyMerged(m)
}

// mergeDeferred merges the records that waited for the store.
func (r *Registry) mergeDeferred() {
	if r.sharing == nil || len(r.sharing.deferred) == 0 {
		return
	}
	records := r.sharing.deferred
	r.sharing.deferred = nil
	r.merge(records)
}

func newMerging() *merging {
	return &merging{keys: make(map[Key]struct{}), sockets: make(map[Socket]struct{})}
}

// touches reports whether m changes something that decides about i.
func (m *merging) touches(i *Instance) bool {
	if _, found := m.keys[i.Key]; found {
		return true
	}
	for socket := range i.sockets() {
		if _, found := m.sockets[socket]; found {
			return true
		}
	}
	return false
}

// remove removes an instance; nil is none.
func (m *merging) remove(i *Instance) {
	if i == nil {
		return
	}
	if _, twice := m.keys[i.Key]; !twice {
		m.add(Change{Key: i.Key}, i)
	}
}

// add adds a change of the instance old; nil if there was none.
func (m *merging) add(c Change, old *Instance) {
	m.changes = append(m.changes, c)
	m.keys[c.Key] = struct{}{}
	for _, i := range []*Instance{c.Instance, old} {
		if i != nil {
			for socket := range i.sockets() {
				m.sockets[socket] = struct{}{}
			}
		}
	}
}

// applyMerged applies the changes in m.
func (r *Registry) applyMerged(m *merging) {
	if len(m.changes) == 0 {
		return
	}
	for _, c := range m.changes {
		r.unsaved[c.Key] = struct{}{}
	}
	r.apply(m.changes)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range m.changes {
		if l := r.leases.byKey[c.Key]; l != nil {
			l.foreign = true
		}
	}
}

// mergeOne decides on one record.
func (r *Registry) mergeOne(m *merging, theirs Record) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	key := theirs.Instance.Key
	ours, known := r.record(key)
	order := 1
	if known {
		order = theirs.Compare(ours)
	}
	switch {
	case order == 0:
	case order < 0:
		r.sharing.note(key)
	case theirs.Ended == Present:
		r.mergeInstance(m, theirs.Instance, now)
	case theirs.Ended == Lapsed && known && ours.sameVersion(theirs) && !r.leases.byKey[key].isMissing(now):
		// This server received a check-in of the instance more recently than the other one.
		revived := *ours.Instance
		revived.Revival++
		m.add(Change{Key: key, Instance: &revived}, ours.Instance)
		r.sharing.note(key)
	default:
		if theirs.Ended == Departed {
			r.departed.add(key.Socket(), theirs.Instance.Incarnation, now)
		}
		r.end(theirs.Instance, theirs.Ended, now)
		m.remove(r.Snapshot().checkedIn(key))
	}
}

// sameVersion reports whether a describes the version that b is about.
func (a Record) sameVersion(b Record) bool {
	return a.Ended == Present && a.Instance.sameVersion(b.Instance) && a.Instance.Revival == b.Instance.Revival
}

// mergeInstance adds i unless another instance has one of its addresses and a later incarnation. An instance that
// loses an address lapses.
func (r *Registry) mergeInstance(m *merging, i *Instance, now time.Time) {
	for socket := range i.sockets() {
		if holder := r.holderOf(socket); holder != nil && holder.Key != i.Key && i.yieldsTo(holder) {
			r.end(i, Lapsed, now)
			r.sharing.note(i.Key)
			m.remove(r.Snapshot().checkedIn(i.Key))
			return
		}
	}
	for socket := range i.sockets() {
		holder := r.holderOf(socket)
		if holder == nil || holder.Key == i.Key {
			continue
		}
		r.log.Warn("instance took an address over", "instance", i.Key.String(), "incarnation", i.Incarnation.String(),
			"from", holder.Key.String(), "incarnation before", holder.Incarnation.String())
		r.end(holder, Lapsed, now)
		r.sharing.note(holder.Key)
		m.remove(holder)
	}
	m.add(Change{Key: i.Key, Instance: i}, r.Snapshot().Instance(i.Key))
}

// yieldsTo reports whether j has the address that both claim, on every server.
func (i *Instance) yieldsTo(j *Instance) bool {
	if order := i.Incarnation.Compare(j.Incarnation); order != 0 {
		return order < 0
	}
	return laterFirst(i, j) > 0
}
