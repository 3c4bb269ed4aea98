package fleet

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// Sidecars are clients that behave as Envoys do: incremental, aggregated, each on a connection of
// its own. Each subscribes to all clusters, then to the assignments that those name, then to all
// listeners, to the route configurations that those name, and to virtual hosts where the routes say so; it acknowledges what it is sent,
// and on a new connection says what it has.
type Sidecars struct {
	list  []*sidecar
	open  *connections
	refs  references
	began time.Time // when the first connection was opened
}

// Began is when the first connection was opened: everything before is the preparation of the sidecars.
func (s *Sidecars) Began() time.Time { return s.began }

// SidecarOptions say who the sidecars are.
type SidecarOptions struct {
	Address string // of the server
	Count   int
	Node    func(number int) []byte // an encoded envoy.config.core.v3.Node
}

// Progress is what one sidecar was sent since [Sidecars.Forget].
type Progress struct {
	Synced int64 // when it had everything for the first time, in nanoseconds since the epoch; 0 before
	// By type, in the order of SidecarTypes: when the last response was acknowledged, in nanoseconds
	// since the epoch, 0 for none; and the bytes of its resources.
	Acknowledged, Bytes []int64
}

// The types that a sidecar subscribes to, in the order in which it does.
var sidecarTypes = [...]string{xds.ClusterType, xds.EndpointType, xds.ListenerType, xds.RouteType, xds.VirtualHostType}

// Indices of a sidecar's types.
const (
	clusters = iota
	assignments
	listeners
	routes
	hosts
	countOfTypes
)

// AssignmentIndex is the index of assignments in a [Progress].
const AssignmentIndex = assignments

// OpenSidecars connects sidecars. [Sidecars.Close] must be called.
func OpenSidecars(o SidecarOptions) (*Sidecars, error) {
	s := &Sidecars{refs: references{seed: maphash.MakeSeed(), known: map[uint64][]reference{}}}
	for number := range o.Count {
		s.list = append(s.list, newSidecar(s, o.Node(number)))
	}
	return s, s.Reconnect(o.Address)
}

// Reconnect opens a connection for each sidecar. Those from before must be closed.
func (s *Sidecars) Reconnect(address string) error {
	s.open, s.began = &connections{buffer: sidecarBuffer}, time.Now()
	for _, c := range s.list {
		c.stream = stream{path: Delta.path()}
		if err := s.open.open(address, []caller{c}, 1); err != nil {
			return err
		}
	}
	return nil
}

// sidecarBuffer is the size of the buffers of a sidecar's connection: there are thousands.
const sidecarBuffer = 8 << 10

// WaitSynced returns when every sidecar holds all that it asked for.
func (s *Sidecars) WaitSynced(ctx context.Context) error {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for first := 0; ; {
		for first < len(s.list) && s.list[first].synced.Load() != 0 {
			first++
		}
		if err := s.open.err(); err != nil || first == len(s.list) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("sidecar %d is not in sync: %w", first, ctx.Err())
		case <-ticker.C:
		}
	}
}

// Progress is that of each sidecar.
func (s *Sidecars) Progress() ([]Progress, error) {
	all := make([]Progress, len(s.list))
	for i, c := range s.list {
		all[i].Synced = c.synced.Load()
		for kind := range c.watches {
			all[i].Acknowledged = append(all[i].Acknowledged, c.watches[kind].acknowledged.Load())
			all[i].Bytes = append(all[i].Bytes, c.watches[kind].bytes.Load())
		}
	}
	return all, s.open.err()
}

// Forget begins a new measurement.
func (s *Sidecars) Forget() {
	for _, c := range s.list {
		c.synced.Store(0)
		for kind := range c.watches {
			c.watches[kind].acknowledged.Store(0)
			c.watches[kind].bytes.Store(0)
		}
	}
}

// Close ends all connections. The sidecars keep what they have.
func (s *Sidecars) Close() { s.open.Close() }

// reference is one name of a type that a resource leads to.
type reference struct {
	kind int
	name string
}

// references remembers what resources lead to, so that what many sidecars are sent is decoded once.
type references struct {
	seed  maphash.Seed
	mu    sync.Mutex
	known map[uint64][]reference
}

func (r *references) of(typeURL, body []byte) ([]reference, error) {
	var h maphash.Hash
	h.SetSeed(r.seed)
	h.Write(typeURL)
	h.Write(body)
	sum := h.Sum64()
	r.mu.Lock()
	defer r.mu.Unlock()
	if found, ok := r.known[sum]; ok {
		return found, nil
	}
	refs, err := envoyrefs.Decode(string(typeURL), body)
	if err != nil {
		return nil, err
	}
	var found []reference
	for _, ref := range refs {
		switch ref.Type {
		case xds.EndpointType:
			found = append(found, reference{assignments, ref.Name})
		case xds.RouteType:
			found = append(found, reference{routes, ref.Name})
		}
	}
	r.known[sum] = found
	return found, nil
}

// watch is what a sidecar asks for and has of one type.
type watch struct {
	asked    bool
	answered bool              // at least once
	missing  map[string]bool   // names that were asked for and not answered
	names    map[string]bool   // that are asked for; nil for all there are
	held     map[string]string // versions by name

	acknowledged, bytes atomic.Int64
}

func (w *watch) complete() bool { return w.asked && w.answered && len(w.missing) == 0 }
