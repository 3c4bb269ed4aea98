package registry

import (
	"slices"
	"sync"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// with returns the next snapshot after s, with changes (no key twice). It copies the slices of the services that
// change and shares all others.
func (s *Snapshot) with(changes []Change) *Snapshot {
	fresh := &Snapshot{
		buckets:  new(*s.buckets),
		sequence: s.sequence + 1,
		size:     s.size,
		changed:  make(chan struct{}),
		names:    s.names,
	}
	same := true
	for service, own := range byService(changes) {
		before, after := s.members(service), fresh.replace(service, own)
		fresh.size += after.size() - before.size()
		same = same && (before == nil) == (after == nil)
	}
	if !same {
		fresh.names = sync.OnceValue(fresh.sortedNames)
	}
	return fresh
}

// replace makes the changes of one service in s, which is not published yet, and returns the service's instances; nil
// if there are none.
func (s *Snapshot) replace(service mesh.ServiceName, changes []Change) *members {
	after := &members{service: service, version: s.sequence, instances: edited(s.Instances(service), changes)}
	slot := &s.buckets[bucketOf(service)]
	i, found := slot.find(service)
	b := slices.Clone(*slot)
	switch {
	case len(after.instances) == 0 && !found:
		return nil
	case len(after.instances) == 0:
		b, after = slices.Delete(b, i, i+1), nil
	case found:
		b[i] = after
	default:
		b = slices.Insert(b, i, after)
	}
	*slot = b
	return after
}

// edited returns a copy of instances with changes.
func edited(instances []*Instance, changes []Change) []*Instance {
	after := make([]*Instance, len(instances), len(instances)+len(changes))
	copy(after, instances)
	for _, c := range changes {
		i, found := slices.BinarySearchFunc(after, c.Key, bySocket)
		switch {
		case c.Instance == nil && found:
			after = slices.Delete(after, i, i+1)
		case c.Instance != nil && found:
			after[i] = c.Instance
		case c.Instance != nil:
			after = slices.Insert(after, i, c.Instance)
		}
	}
	return after
}

func byService(changes []Change) map[mesh.ServiceName][]Change {
	grouped := make(map[mesh.ServiceName][]Change)
	for _, c := range changes {
		grouped[c.Service] = append(grouped[c.Service], c)
	}
	return grouped
}

func (m *members) size() int {
	if m == nil {
		return 0
	}
	return len(m.instances)
}
