package registry

import (
	"container/heap"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// leases holds all leases and knows which instances are missing: those whose lease would end within one check-in
// interval, because they have not checked in for nine tenths of it. It reads no clock and takes no lock.
//
// A renewal writes one field and does not change the queue. The queue holds each lease by the time of its next check.
// A lease that was renewed in the meantime is queued again.
type leases struct {
	byKey    map[Key]*lease
	queue    queue                                    // the leases that are not missing
	missing  map[mesh.ServiceName]map[*lease]struct{} // the others; no empty entries
	absent   int                                      // how many those are
	versions uint64                                   // of leases, counted
}

type lease struct {
	instance  *Instance
	expires   time.Time
	nextCheck time.Time // when to check whether it is missing; never too late
	index     int       // in the queue; -1 while it is missing

	foreign   bool // another server received the last check-in, or none was received since the start
	announced bool // the other servers will be told of a renewal

	rival      Claim     // an earlier incarnation that still claims the address
	rivalSince time.Time // when it last did; zero if none has

	version uint64        // changes with the description
	changed chan struct{} // closes when the description is not the latest any more; nil when nobody watches
}

// stale notifies those who watch l that there is a newer version.
func (l *lease) stale() {
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

func newLeases() leases {
	return leases{byKey: make(map[Key]*lease), missing: make(map[mesh.ServiceName]map[*lease]struct{})}
}

// renew is a check-in at now. It never shortens the lease, also not after extend, because the queue relies on that.
func (l *lease) renew(now time.Time) {
	if end := now.Add(l.instance.Lease); end.After(l.expires) {
		l.expires = end
	}
}

// missingFrom returns when l counts as missing unless it is renewed.
func (l *lease) missingFrom() time.Time { return l.expires.Add(-l.instance.CheckInInterval()) }

func (l *lease) isMissing(now time.Time) bool { return !now.Before(l.missingFrom()) }

func (l *lease) isOver(now time.Time) bool { return !now.Before(l.expires) }

// put gives i, which is new or has a new description, a whole lease from now on.
func (s *leases) put(i *Instance, now time.Time) {
	l := s.byKey[i.Key]
	if l == nil {
		l = &lease{instance: i, index: -1}
		s.byKey[i.Key] = l
	} else {
		s.detach(l)
	}
	l.instance, l.expires, l.foreign = i, now.Add(i.Lease), false
	s.versions++
	l.version = s.versions
	l.stale()
	if i.Source != "" {
		l.expires = now.Add(sourcedLease)
		return // its source says when it ends
	}
	s.watch(l)
}

// sourcedLease stands for the lease of an instance of a source, which never ends.
const sourcedLease = 100 * 365 * 24 * time.Hour

// redescribe gives i, which has a lease, another description. The lease stays as it is.
func (s *leases) redescribe(i *Instance) {
	l := s.byKey[i.Key]
	if l == nil {
		return
	}
	l.instance = i
	s.versions++
	l.version = s.versions
	l.stale()
}

// remove removes the lease of the instance with that key.
func (s *leases) remove(key Key) {
	if l := s.byKey[key]; l != nil {
		s.detach(l)
		l.stale()
		delete(s.byKey, key)
	}
}

// extend extends every lease by d.
func (s *leases) extend(d time.Duration) {
	for _, l := range s.byKey {
		l.expires = l.expires.Add(d)
	}
}

// updateMissing updates which instances are missing at now.
func (s *leases) updateMissing(now time.Time) {
	for _, of := range s.missing {
		for l := range of {
			if !l.isMissing(now) {
				s.detach(l)
				s.watch(l)
			}
		}
	}
	for len(s.queue) > 0 && !now.Before(s.queue[0].nextCheck) {
		l := s.queue[0]
		if !l.isMissing(now) {
			l.nextCheck = l.missingFrom()
			heap.Fix(&s.queue, 0)
			continue
		}
		s.detach(l)
		if s.missing[l.instance.Service] == nil {
			s.missing[l.instance.Service] = make(map[*lease]struct{})
		}
		s.missing[l.instance.Service][l] = struct{}{}
		s.absent++
	}
}

// watch queues l, which is not missing.
func (s *leases) watch(l *lease) {
	l.nextCheck = l.missingFrom()
	heap.Push(&s.queue, l)
}

// detach removes l from the queue or from the missing ones.
func (s *leases) detach(l *lease) {
	if l.index >= 0 {
		heap.Remove(&s.queue, l.index)
		return
	}
	service := l.instance.Service
	if _, found := s.missing[service][l]; !found {
		return
	}
	delete(s.missing[service], l)
	if len(s.missing[service]) == 0 {
		delete(s.missing, service)
	}
	s.absent--
}

// queue is a heap by lease.nextCheck.
type queue []*lease

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].nextCheck.Before(q[j].nextCheck) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push is for package heap.
func (q *queue) Push(l any) {
	l.(*lease).index = len(*q)
	*q = append(*q, l.(*lease))
}

// Pop is for package heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	l := (*q)[last]
	(*q)[last], l.index = nil, -1
	*q = (*q)[:last]
	return l
}
