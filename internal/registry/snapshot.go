package registry

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// fanOut is the number of buckets that services are spread over. A change copies the
// table of buckets and one bucket, so with 10,000 services it copies 256 + 40 pointers.
const fanOut = 256

// Snapshot is the registry at one moment. It is immutable and shares with its predecessor everything that has not
// changed, so its cost is proportional to the change.
type Snapshot struct {
	buckets  *[fanOut]bucket
	sequence uint64
	size     int // instances of all services
	changed  chan struct{}
	names    func() []mesh.ServiceName // sorted; computed when first requested
}

// bucket holds the services of one hash, by name. Immutable.
type bucket []*members

// members are the instances of one service. Immutable.
type members struct {
	service   mesh.ServiceName
	version   uint64
	instances []*Instance // by network and address

	tallied sync.Once
	tally   Tally // once tallied
}

func newSnapshot() *Snapshot {
	s := &Snapshot{buckets: new([fanOut]bucket), changed: make(chan struct{})}
	s.names = sync.OnceValue(s.sortedNames)
	return s
}

// Instances returns the instances of service by network and address; none when there is no such
// service. The slice is shared: it must not be changed.
func (s *Snapshot) Instances(service mesh.ServiceName) []*Instance {
	if m := s.members(service); m != nil {
		return m.instances
	}
	return nil
}

// Instance returns the instance that key names, or nil.
func (s *Snapshot) Instance(key Key) *Instance {
	instances := s.Instances(key.Service)
	if i, found := slices.BinarySearchFunc(instances, key, bySocket); found {
		return instances[i]
	}
	return nil
}

// Services returns the names of the services that have instances, sorted. The slice is
// shared: it must not be changed.
func (s *Snapshot) Services() []mesh.ServiceName { return s.names() }

// ByService yields the services that have instances, in no order, and their instances by network and address. The slices are
// shared: they must not be changed.
func (s *Snapshot) ByService() iter.Seq2[mesh.ServiceName, []*Instance] {
	return func(yield func(mesh.ServiceName, []*Instance) bool) {
		for _, b := range s.buckets {
			for _, m := range b {
				if !yield(m.service, m.instances) {
					return
				}
			}
		}
	}
}

// Version changes whenever the service's instances change, so that two snapshots of one Registry can be compared
// cheaply. It is 0 for a service without instances, and otherwise different for different sets.
func (s *Snapshot) Version(service mesh.ServiceName) uint64 {
	if m := s.members(service); m != nil {
		return m.version
	}
	return 0
}

// Sequence numbers the snapshots of one Registry, ascending.
func (s *Snapshot) Sequence() uint64 { return s.sequence }

// Size is the number of instances of all services.
func (s *Snapshot) Size() int { return s.size }

// Changed returns a channel that closes when the snapshot is stale. Renewals of leases
// make no new snapshot.
func (s *Snapshot) Changed() <-chan struct{} { return s.changed }

// Since yields the services whose instances differ between old and s, in no order, including removed services. Its
// cost is proportional to the change.
func (s *Snapshot) Since(old *Snapshot) iter.Seq[mesh.ServiceName] {
	return func(yield func(mesh.ServiceName) bool) {
		for i := range s.buckets {
			if !eachDifference(old.buckets[i], s.buckets[i], yield) {
				return
			}
		}
	}
}

// eachDifference compares two buckets, both sorted by name.
func eachDifference(before, after bucket, yield func(mesh.ServiceName) bool) bool {
	if len(before) == len(after) && (len(after) == 0 || &before[0] == &after[0]) {
		return true // the very same bucket
	}
	for len(before) > 0 || len(after) > 0 {
		var name mesh.ServiceName
		switch {
		case len(after) == 0 || len(before) > 0 && before[0].service < after[0].service:
			name, before = before[0].service, before[1:]
		case len(before) == 0 || after[0].service < before[0].service:
			name, after = after[0].service, after[1:]
		default:
			if same := before[0] == after[0]; !same {
				name = after[0].service
			}
			before, after = before[1:], after[1:]
		}
		if name != "" && !yield(name) {
			return false
		}
	}
	return true
}

func (s *Snapshot) members(service mesh.ServiceName) *members {
	b := s.buckets[bucketOf(service)]
	if i, found := b.find(service); found {
		return b[i]
	}
	return nil
}

func (s *Snapshot) sortedNames() []mesh.ServiceName {
	var names []mesh.ServiceName
	for _, b := range s.buckets {
		for _, m := range b {
			names = append(names, m.service)
		}
	}
	slices.Sort(names)
	return names
}

func (b bucket) find(service mesh.ServiceName) (int, bool) {
	return slices.BinarySearchFunc(b, service, func(m *members, name mesh.ServiceName) int {
		return strings.Compare(string(m.service), string(name))
	})
}

// bucketOf hashes by FNV-1a.
func bucketOf(service mesh.ServiceName) int {
	hash := uint32(2166136261)
	for i := range len(service) {
		hash = (hash ^ uint32(service[i])) * 16777619
	}
	return int(hash % fanOut)
}

func bySocket(i *Instance, key Key) int { return i.Socket().Compare(key.Socket()) }
