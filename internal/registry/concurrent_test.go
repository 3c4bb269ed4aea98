package registry_test

import (
	"errors"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// TestConcurrentCalls lets callers check instances of their own in and out while readers
// read; in the end everything is as each caller left it.
func TestConcurrentCalls(t *testing.T) {
	store := newMemory()
	r := run(t, registry.Options{Store: store})
	const callers, own, calls = 8, 10, 300
	var last [callers * own]bool
	var calling, reading sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		reading.Go(func() { readUntil(t, r, stop) })
	}
	for c := range callers {
		calling.Go(func() {
			for range calls {
				n := c*own + rand.IntN(own)
				i := instance("users", n)
				i.Weight = 1 + rand.Uint32N(3)
				if rand.IntN(3) > 0 {
					checkIn(t, r, i)
					last[n] = true
					continue
				}
				if err := r.Leave(t.Context(), i.Key, registry.Incarnation{}); (err == nil) != last[n] || err != nil && !errors.Is(err, registry.ErrUnknown) {
					t.Errorf("leaving of %v, which was there: %t: %v", i.Key, last[n], err)
				}
				last[n] = false
			}
		})
	}
	calling.Wait()
	close(stop)
	reading.Wait()
	for n, there := range last {
		key := instance("users", n).Key
		_, leased := r.Lease(key)
		if (r.Snapshot().Instance(key) != nil) != there || leased != there || (store.has[key].Instance != nil) != there {
			t.Errorf("%v: want it there: %t", key, there)
		}
	}
}

// readUntil follows the snapshots as every reader does, until stop closes.
func readUntil(t *testing.T, r *registry.Registry, stop <-chan struct{}) {
	seen := r.Snapshot()
	for {
		select {
		case <-stop:
			return
		case <-seen.Changed():
		}
		next := r.Snapshot()
		if next.Sequence() <= seen.Sequence() {
			t.Errorf("snapshot %d follows %d", next.Sequence(), seen.Sequence())
		}
		for service := range next.Since(seen) {
			for _, i := range next.Instances(service) {
				_, _ = r.Lease(i.Key)
			}
		}
		_ = r.Doubts()
		seen = next
	}
}

// TestSameInstanceFromManySides: the last word of many at once is one of theirs, and it is
// the same in the snapshot and in the store.
func TestSameInstanceFromManySides(t *testing.T) {
	store := newMemory()
	r := run(t, registry.Options{Store: store})
	var calling sync.WaitGroup
	for c := range 8 {
		calling.Go(func() {
			for n := range 100 {
				i := instance(mesh.ServiceName("users"), 1)
				i.Weight = uint32(1 + c*100 + n)
				checkIn(t, r, i)
			}
		})
	}
	calling.Wait()
	key := instance("users", 1).Key
	lease, _ := r.Lease(key)
	if got := r.Snapshot().Instance(key); got != lease.Instance || got != store.has[key].Instance || got.Weight%100 != 0 {
		t.Errorf("snapshot %v, lease %v, store %v, want one and the same, the last of a caller", got, lease.Instance, store.has[key].Instance)
	}
}
