package registry

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// sharing is what a registry keeps for the other servers; nil in a registry that shares with nobody.
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
	isolated time.Time               // since when the renewals that other servers grant are missed; zero: they are heard
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

// Renewal says that an instance was heard by a server.
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

// note says that the record of key changes here. Run calls it, and passes on what was noted once it has
// made the change.
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

// end remembers how an instance ended. The caller holds mu.
func (s *sharing) end(i *Instance, how Ending, now time.Time) {
	if s != nil {
		s.endings.put(i.Key, Record{&Instance{Key: i.Key, Incarnation: i.Incarnation, Sequence: i.Sequence, Revival: i.Revival}, how}, now)
	}
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

// ending is how the instance that key names ended, as far as that is remembered.
func (s *sharing) ending(key Key) (Record, bool) {
	if s == nil {
		return Record{}, false
	}
	e, found := s.endings.last[key]
	return e, found
}

// Changed returns a channel that has an element once there is something for [Registry.TakeChanges]. It has
// room for one; nil when the registry shares with nobody.
func (r *Registry) Changed() <-chan struct{} {
	if r.sharing == nil {
		return nil
	}
	return r.sharing.changed
}

// TakeChanges returns up to limit records that changed here since they were taken last, as they are now.
// Who cannot pass them on says so with [Registry.Announce].
func (r *Registry) TakeChanges(limit int) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var taken []Record
	for key := range r.sharing.pending {
		if len(taken) == limit {
			r.sharing.announce(key) // so that Changed has an element for the rest
			break
		}
		delete(r.sharing.pending, key)
		if record, found := r.record(key); found {
			taken = append(taken, record)
		}
	}
	return taken
}

// Announce makes the records of keys changed again: TakeChanges returns them once more.
func (r *Registry) Announce(keys ...Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, key := range keys {
		r.sharing.announce(key)
	}
}

// Unannounced is how many changed records wait for TakeChanges.
func (r *Registry) Unannounced() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.sharing.pending)
}

// TakeRenewals returns up to limit instances whose lease was renewed here since they were taken last.
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

// Hear extends the leases of instances that were heard by other servers. It makes no snapshot.
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

// SetIsolated says whether the renewals that other servers grant are missed. While they are, no instance
// lapses that was last heard by another server; afterwards the leases of these are longer by the time that
// was missed, a whole lease at most. A registry that shares begins isolated.
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

// holdForeign keeps instances from lapsing that were last heard by other servers while those are not heard.
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

// extendForeign makes the lease of an instance that another server heard last at least as long as rest.
func (l *lease) extendForeign(rest time.Duration, now time.Time) {
	if end := now.Add(rest); l.foreign && end.After(l.expires) {
		l.expires = end
	}
}

// record is what the registry says of the instance that key names. The caller holds mu.
func (r *Registry) record(key Key) (Record, bool) {
	if i := r.Snapshot().Instance(key); i != nil {
		return Record{Instance: i}, true
	}
	return r.sharing.ending(key)
}

// Shard returns which of n shards has a service; n divides 256.
func Shard(service mesh.ServiceName, n int) int { return bucketOf(service) % n }

// Records returns everything that the registry says of the instances in one of n shards.
func (r *Registry) Records(shard, n int) []Record {
	r.mu.Lock()
	snapshot := r.Snapshot()
	var records []Record
	for key, ending := range r.sharing.endings.last {
		if Shard(key.Service, n) == shard && snapshot.Instance(key) == nil {
			records = append(records, ending)
		}
	}
	r.mu.Unlock()
	for at := shard; at < fanOut; at += n {
		for _, of := range snapshot.buckets[at] {
			for _, i := range of.instances {
				records = append(records, Record{Instance: i})
			}
		}
	}
	return records
}
