package registry_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// restarted ends a registry with a store and returns a new one with what the store has.
func restarted(t *testing.T, store registry.Store, use func(*registry.Registry)) *registry.Registry {
	t.Helper()
	first, err := registry.New(t.Context(), registry.Options{Shared: true, Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = first.Run(ctx) })
	use(first)
	stop()
	running.Wait()
	return run(t, registry.Options{Shared: true, Store: store})
}

// TestGoodbyeSurvivesARestart: the other servers were not told of a goodbye when the server restarts.
func TestGoodbyeSurvivesARestart(t *testing.T) {
	for name, leaveAtThis := range map[string]bool{"of an instance that it knows": true, "of an instance that it does not know": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				other := shared(t, 1)[0]
				i := started(other, 1)
				checkIn(t, other, i)
				again := restarted(t, newMemory(), func(r *registry.Registry) {
					if leaveAtThis {
						merge(t, r, taken(other)...)
					}
					if err := leave(t, r, i); leaveAtThis && err != nil {
						t.Fatal(err)
					}
				})
				merge(t, again, other.Records(registry.Shard(i.Service, 1), 1)...)
				exchange(t, again, other)
				if has(again, i) || has(other, i) {
					t.Errorf("after the restart this server has the instance: %v, and the other one: %v", has(again, i), has(other, i))
				}
				if _, err := again.CheckIn(t.Context(), i); err == nil {
					t.Error("a late check-in brings the instance back")
				}
			})
		})
	}
}

// TestStoredGoodbyesAreForgotten: an hour after a goodbye that the other servers were told, the store does not keep it
// any more. One that they were not told stays.
func TestStoredGoodbyesAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Shared: true, Store: store})
		r.SetIsolated(false)
		leaveOne := func(n int) registry.Instance {
			i := started(r, n)
			checkIn(t, r, i)
			if err := leave(t, r, i); err != nil {
				t.Fatal(err)
			}
			return i
		}
		first := leaveOne(1)
		taken(r)
		time.Sleep(61 * time.Minute)
		second := leaveOne(2)
		synctest.Wait()
		if !store.has[first.Key].Departed.IsZero() || store.has[second.Key].Departed != second.Incarnation {
			t.Errorf("stored: %v, want the second goodbye alone", store.has)
		}
		time.Sleep(61 * time.Minute) // nobody takes it
		leaveOne(3)
		r.SetIsolated(true)
		time.Sleep(61 * time.Minute)
		leaveOne(4)
		synctest.Wait()
		if len(store.has) != 3 {
			t.Errorf("%d goodbyes are stored, want the 3 that the other servers were not told", len(store.has))
		}
	})
}
