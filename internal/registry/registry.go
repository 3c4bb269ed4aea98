package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Errors of the Registry's calls.
var (
	ErrUnknown = errors.New("no such instance")                      // Leave of an instance that is not there
	ErrNoDoubt = errors.New("nothing is in doubt")                   // Decide where expiry is not paused
	ErrOrders  = errors.New("too many instances are in maintenance") // Maintain of one more
	ErrStopped = errors.New("the registry has ended")                // Run has returned
)

// Options are the parameters of a Registry. The zero value keeps instances in memory only.
type Options struct {
	Store       Store        // nil: instances do not survive the process
	LapseLimits LapseLimits  // zero fields have their defaults
	Shared      bool         // instances are shared with other servers: see Merge and TakeChanges
	Log         *slog.Logger // nil: nothing is logged
}

// Registry holds the instances of all services. Its methods are safe for concurrent use, also before Run. Those that
// change something wait for Run to do it.
type Registry struct {
	// Fixed after construction.
	store     Store
	log       *slog.Logger
	checkIns  chan *request
	leaves    chan *request
	decisions chan *decision
	saved     chan error    // the store's answers
	stopped   chan struct{} // closes when Run returns

	// Written by Run alone, read by all.
	current atomic.Pointer[Snapshot]

	// Owned by Run.
	waiting  []*request                   // for the store, in order
	ordering []*request                   // orders that wait for the store
	leaving  []*request                   // have left the snapshot; wait until the store is told
	saving   batch                        // what the store is being told
	busy     bool                         // it is
	unsaved  map[Key]struct{}             // changed, and the store is not told yet
	retry    bool                         // tell it now
	holders  map[Socket]Key               // who has each address
	failing  bool                         // its last answer was an error
	sources  map[string]map[Key]*Instance // what each source lists

	// Guarded by mu, which is held for memory work only.
	mu           sync.Mutex
	leases       leases
	doubts       doubts
	incarnations incarnations
	departed     departed
	orders       map[Key]Order
	sharing      *sharing // nil: with nobody
}

// Lease is an instance and the end of its lease.
type Lease struct {
	*Instance
	Expires time.Time // when it lapses unless it is renewed
}

// New returns a registry with the instances of the store, each with a whole new lease. It starts nothing: Run does.
func New(ctx context.Context, options Options) (*Registry, error) {
	r := &Registry{
		store:     options.Store,
		log:       options.Log,
		checkIns:  make(chan *request),
		leaves:    make(chan *request),
		decisions: make(chan *decision),
		saved:     make(chan error, 1),
		stopped:   make(chan struct{}),
		unsaved:   make(map[Key]struct{}),
		holders:   make(map[Socket]Key),
		sources:   make(map[string]map[Key]*Instance),
		departed:  newDeparted(),
		orders:    make(map[Key]Order),
		leases:    newLeases(),
		doubts:    newDoubts(options.LapseLimits.withDefaults()),
	}
	if options.Shared {
		r.sharing = newSharing()
	}
	if r.store == nil {
		r.store = unstored{}
	}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r, r.load(ctx)
}

func (r *Registry) load(ctx context.Context) error {
	loaded, err := r.store.Load(ctx)
	if err != nil {
		return fmt.Errorf("registry: %w", err)
	}
	now := time.Now()
	instances := make([]*Instance, 0, len(loaded))
	for _, c := range loaded {
		if c.Order != (Order{}) {
			r.orders[c.Key] = c.Order
		}
		if c.Instance != nil {
			instances = append(instances, c.Instance.under(c.Order))
		} else if !c.Departed.IsZero() {
			r.loadDeparture(c, now)
		}
	}
	slices.SortFunc(instances, laterFirst)
	changes := make([]Change, 0, len(instances))
	for _, i := range instances {
		if found := i.Problems(); len(found) > 0 {
			r.log.Warn("stored instance is left out: this release does not take it", "instance", i.Key.String(), "problem", found[0].Error())
			r.unsaved[i.Key] = struct{}{}
			continue
		}
		if holder, taken := r.holds(i); taken {
			r.log.Warn("stored instance is left out: another one has its address", "instance", i.Key.String(), "other", holder.String())
			r.unsaved[i.Key] = struct{}{}
			continue
		}
		if i.Incarnation.IsZero() && r.sharing != nil {
			i = i.as(r.incarnations.issue(), 1) // from a release without incarnations
		}
		changes = append(changes, Change{Key: i.Key, Instance: i})
		r.hold(i)
		r.leases.put(i, now)
		r.leases.byKey[i.Key].foreign = true
		r.incarnations.seen(i.Incarnation)
	}
	r.current.Store(newSnapshot().with(changes))
	return nil
}

// loadDeparture remembers a goodbye for as long as one that happens now. The other servers are told of it when this
// one compares its records with theirs. A registry that is not shared has nobody to tell, and removes it.
func (r *Registry) loadDeparture(c Change, now time.Time) {
	if r.sharing == nil {
		r.unsaved[c.Key] = struct{}{}
		return
	}
	r.incarnations.seen(c.Departed)
	r.departed.add(c.Key.Socket(), c.Departed, now)
	r.end(&Instance{Key: c.Key, Incarnation: c.Departed}, Departed, now)
}

// laterFirst orders instances by incarnation, the latest first, in the same way at every start.
func laterFirst(a, b *Instance) int {
	return cmp.Or(b.Incarnation.Compare(a.Incarnation), a.Key.Compare(b.Key))
}

// hold notes that i has its addresses.
func (r *Registry) hold(i *Instance) {
	for socket := range i.sockets() {
		r.holders[socket] = i.Key
	}
}

func (r *Registry) holds(i *Instance) (Key, bool) {
	for socket := range i.sockets() {
		if key, taken := r.holders[socket]; taken {
			return key, true
		}
	}
	return Key{}, false
}

// release notes that i does not have its addresses any more.
func (r *Registry) release(i *Instance) {
	for socket := range i.sockets() {
		if r.holders[socket] == i.Key {
			delete(r.holders, socket)
		}
	}
}

// Snapshot returns the current snapshot.
func (r *Registry) Snapshot() *Snapshot { return r.current.Load() }

// Done returns a channel that closes when Run has returned: nothing changes any more.
func (r *Registry) Done() <-chan struct{} { return r.stopped }

// Lease returns the lease of the instance with that key; false if there is none.
func (r *Registry) Lease(key Key) (Lease, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases.byKey[key]
	if l == nil {
		return Lease{}, false
	}
	return Lease{l.instance, l.expires}, true
}

// Watched is the current state of one instance.
type Watched struct {
	Lease
	Version uint64          // changes with the description, and is never used again
	Changed <-chan struct{} // closes when the description changes or the instance is removed, but not at renewals
}

// Watch returns the instance with that key, with a channel for its next change; false if there is none.
func (r *Registry) Watch(key Key) (Watched, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l := r.leases.byKey[key]
	if l == nil {
		return Watched{}, false
	}
	if l.changed == nil {
		l.changed = make(chan struct{})
	}
	return Watched{Lease{l.instance, l.expires}, l.version, l.changed}, true
}

// Doubts returns where expiry is paused, by service; none if all leases end normally.
func (r *Registry) Doubts() []Doubt {
	snapshot, now := r.Snapshot(), time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.doubts.list(&r.leases, func(s mesh.ServiceName) int { return len(snapshot.Instances(s)) }, now)
}
