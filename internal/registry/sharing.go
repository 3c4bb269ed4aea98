package registry

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// sharing is what a registry keeps for the other servers; nil if it is not shared.
type sharing struct {
	// Fixed after construction.
	merges  chan *mergeRequest
	changed chan struct{} // one slot: pending has something

	// Owned by Run.
	deferred []Record // about instances that the store is being told of
	news     []Key    // whose record changes now; they become pending once the snapshot has them

	// Guarded by Registry.mu.
	pending  map[Key]struct{}        // whose record changed here since it was taken
	renewed  []*lease                // whose lease was renewed here since that was taken
	endings  remembered[Key, Record] // how instances ended
	isolated time.Time               // since when the renewals at other servers are not received; zero: they are received
}

func newSharing() *sharing {
	return &sharing{
		merges:   make(chan *mergeRequest),
		changed:  make(chan struct{}, 1),
		pending:  make(map[Key]struct{}),
		endings:  newRemembered[Key, Record](),
		isolated: time.Now(),
	}
}

// Renewal says that a server received a check-in of an instance.
type Renewal struct {
	Key
	Incarnation Incarnation
}

// announce makes the record of key pending. The caller holds mu.
func (s *sharing) announce(key Key) {
	s.pending[key] = struct{}{}
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// note notes that the record of key changes. Run calls it, and calls passOn once the change is made.
func (s *sharing) note(key Key) {
	if s != nil {
		s.news = append(s.news, key)
	}
}

// passOn makes what was noted pending.
func (r *Registry) passOn() {
	if r.sharing == nil || len(r.sharing.news) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range r.sharing.news {
		r.sharing.announce(key)
	}
	r.sharing.news = nil
}

// end remembers how an instance ended, until the other servers have had time to hear of it. The caller holds mu.
func (r *Registry) end(i *Instance, how Ending, now time.Time) {
	if r.sharing == nil || i.Source != "" {
		return
	}
	endings := &r.sharing.endings
	endings.put(i.Key, Record{Instance: &Instance{Key: i.Key, Incarnation: i.Incarnation, Sequence: i.Sequence, Revival: i.Revival}, Ended: how}, now)
	for _, forgotten := range endings.forget(now, r.sharing.isUntold) {
		if forgotten.Ended == Departed {
			r.unsaved[forgotten.Instance.Key] = struct{}{} // the store has it
		}
	}
}

// isUntold reports whether the other servers may not have the record of key yet. The caller holds mu.
func (s *sharing) isUntold(key Key) bool {
	_, pending := s.pending[key]
	return pending || !s.isolated.IsZero()
}

// heard notes that l was renewed here. The caller holds mu.
func (s *sharing) heard(l *lease) {
	if s == nil {
		return
	}
	l.foreign = false
	if !l.announced {
		l.announced = true
		s.renewed = append(s.renewed, l)
	}
}

// ending returns how the instance with that key ended, if that is remembered.
func (s *sharing) ending(key Key) (Record, bool) {
	if s == nil {
		return Record{}, false
	}
	e, found := s.endings.last[key]
	return e, found
}

// Changed returns a channel that has an element if there is something for [Registry.TakeChanges]. It has room for one
// element. It is nil if the registry is not shared.
func (r *Registry) Changed() <-chan struct{} {
	if r.sharing == nil {
		return nil
	}
	return r.sharing.changed
}

// TakeChanges returns the current records of up to limit keys, one or two of each, that have changed at this server since they were last taken. A
// caller that cannot write them calls [Registry.Announce].
func (r *Registry) TakeChanges(limit int) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Record
	for key := range r.sharing.pending {
		if limit--; limit < 0 {
			r.sharing.announce(key) // so that Changed has an element for the rest
			break
		}
		delete(r.sharing.pending, key)
		taken = append(taken, r.recordsOf(key)...)
	}
	return taken
}

// Announce marks the records of keys as changed: TakeChanges returns them again.
func (r *Registry) Announce(keys ...Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		r.sharing.announce(key)
	}
}

// Unannounced returns the number of changed records that wait for TakeChanges.
func (r *Registry) Unannounced() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sharing.pending)
}

// TakeRenewals returns up to limit instances whose leases were renewed at this server since they were last taken.
func (r *Registry) TakeRenewals(limit int) []Renewal {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.sharing
	n := min(limit, len(s.renewed))
	taken := make([]Renewal, 0, n)
	for _, l := range s.renewed[:n] {
		l.announced = false
		if r.leases.byKey[l.instance.Key] == l {
			taken = append(taken, Renewal{l.instance.Key, l.instance.Incarnation})
		}
	}
	if s.renewed = s.renewed[n:]; len(s.renewed) == 0 {
		s.renewed = nil
	}
	return taken
}

// Hear extends the leases of instances that checked in at other servers. It makes no snapshot.
func (r *Registry) Hear(renewals []Renewal) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, renewal := range renewals {
		if l := r.leases.byKey[renewal.Key]; l != nil && l.instance.Incarnation == renewal.Incarnation {
			l.renew(now)
			l.foreign = true
		}
	}
}

// SetIsolated says whether the renewals at other servers are not received. In the meantime no instance lapses whose
// last check-in was at another server. Afterwards the leases of these instances are extended by the missed time, up
// to a whole lease. A shared registry starts isolated.
func (r *Registry) SetIsolated(isolated bool) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	since := r.sharing.isolated
	switch {
	case isolated == !since.IsZero():
	case isolated:
		r.sharing.isolated = now
	default:
		r.sharing.isolated = time.Time{}
		for _, l := range r.leases.byKey {
			l.extendForeign(min(l.expires.Sub(now)+now.Sub(since), l.instance.Lease), now)
		}
	}
}

// holdForeign extends the leases of instances whose last check-in was at another server, while the registry is
// isolated.
func (r *Registry) holdForeign(now time.Time) {
	if r.sharing == nil || r.sharing.isolated.IsZero() {
		return
	}
	for _, missing := range r.leases.missing {
		for l := range missing {
			l.extendForeign(2*l.instance.CheckInInterval(), now)
		}
	}
	r.leases.updateMissing(now)
}

// extendForeign extends the lease of an instance whose last check-in was at another server to at least rest.
func (l *lease) extendForeign(rest time.Duration, now time.Time) {
	if end := now.Add(rest); l.foreign && end.After(l.expires) {
		l.expires = end
	}
}

// Knows reports whether the registry has records of the instance with that key.
func (r *Registry) Knows(key Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.recordsOf(key)) > 0
}

// record returns the registry's record of the instance with that key. The caller holds mu.
func (r *Registry) record(key Key) (Record, bool) {
	if i := r.Snapshot().checkedIn(key); i != nil {
		return Record{Instance: i}, true
	}
	return r.sharing.ending(key)
}

// Shard returns which of n shards has a service; n divides 256.
func Shard(service mesh.ServiceName, n int) int { return bucketOf(service) % n }

// Records returns all records of the instances in one of n shards.
func (r *Registry) Records(shard, n int) []Record {
	r.mu.Lock()
	snapshot := r.Snapshot()
	var records []Record
	for key, ending := range r.sharing.endings.last {
		if Shard(key.Service, n) == shard && snapshot.checkedIn(key) == nil {
			records = append(records, ending)
		}
	}
	for key, order := range r.orders {
		if Shard(key.Service, n) == shard {
			records = append(records, order.record(key))
		}
	}
	r.mu.Unlock()
	for at := shard; at < fanOut; at += n {
		for _, of := range snapshot.buckets[at] {
			for _, i := range of.instances {
				if i.Source != "" {
					continue // every server has its own
				}
				records = append(records, Record{Instance: i})
			}
		}
	}
	return records
}
