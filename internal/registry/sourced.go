package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
)

// ErrSourced is the error of a Leave of an instance that a source lists.
var ErrSourced = errors.New("it is listed by a source")

// MaxSourced is the largest number of instances of one source.
const MaxSourced = 1 << 17

// sourced is the set of instances that a source lists.
type sourced struct {
	name      string
	instances map[Key]*Instance
	contested []Key // the answer: those that are not in the snapshot because others have their addresses
}

// SetSource makes instances all that the source with that name lists. They are in the snapshot when SetSource returns,
// and those that it does not list any more are not. Their keys are unique.
//
// Instances of a source belong to this server alone: they have no incarnation and no lease, are not stored, and are not
// shared with other servers, which have their own sources. So servers with equal sources have equal instances. An
// instance that checked in has its addresses first. SetSource returns the keys that others have: a source that is set
// again later gets them once they are free.
//
// The errors are [Invalid], [ErrStopped] and those of ctx.
func (r *Registry) SetSource(ctx context.Context, name string, instances []Instance) (contested []Key, err error) {
	if len(instances) > MaxSourced {
		return nil, fmt.Errorf("source %s lists %d instances: want at most %d", name, len(instances), MaxSourced)
	}
	s := &sourced{name: name, instances: make(map[Key]*Instance, len(instances))}
	for _, listed := range instances {
		i := listed.WithDefaults().clone()
		if found := i.Problems(); len(found) > 0 {
			return nil, Invalid(found)
		}
		i.Incarnation, i.Sequence, i.Revival, i.Order, i.Source = Incarnation{}, 0, 0, Order{}, name
		s.instances[i.Key] = i
	}
	if _, err := r.ask(ctx, r.leaves, &request{source: s}); err != nil {
		return nil, err
	}
	return s.contested, nil
}

// checkedIn returns the instance that key names if it checked in, or nil.
func (s *Snapshot) checkedIn(key Key) *Instance {
	if i := s.Instance(key); i != nil && i.Source == "" {
		return i
	}
	return nil
}

// takeSource applies the set of a source. Its cost is that of comparing the set with the previous one.
func (r *Registry) takeSource(s *sourced) {
	snapshot := r.Snapshot()
	var changes []Change
	leaving := make(map[Key]struct{})
	for key := range r.sources[s.name] {
		known := snapshot.Instance(key)
		if _, stays := s.instances[key]; !stays && known != nil && known.Source == s.name {
			changes = append(changes, Change{Key: key})
			leaving[key] = struct{}{}
		}
	}
	added := make(map[Socket]struct{})
	for key, i := range s.instances {
		known := snapshot.Instance(key)
		if known != nil && known.Source == s.name && known.Equal(i) {
			continue
		}
		if r.isContested(i, known, leaving, added) {
			s.contested = append(s.contested, key)
			continue
		}
		for socket := range i.sockets() {
			added[socket] = struct{}{}
		}
		changes = append(changes, Change{Key: key, Instance: i})
	}
	if r.sources[s.name] = maps.Clone(s.instances); len(s.instances) == 0 {
		delete(r.sources, s.name)
	}
	r.apply(changes)
}

// isContested reports whether another instance has, or is about to have, one of the addresses of i. known is the
// instance with the same key; those that are leaving do not count.
func (r *Registry) isContested(i, known *Instance, leaving map[Key]struct{}, added map[Socket]struct{}) bool {
	if known != nil && known.Source != i.Source || r.busy && r.saving.concerns(i) {
		return true
	}
	for socket := range i.sockets() {
		if _, twice := added[socket]; twice {
			return true
		}
		key, held := r.holders[socket]
		if _, left := leaving[key]; held && key != i.Key && !left {
			return true
		}
	}
	return false
}
