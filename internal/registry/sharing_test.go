package registry_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// shared returns n running registries that share, and hear each other's renewals.
func shared(t testing.TB, n int) []*registry.Registry {
	t.Helper()
	var all []*registry.Registry
	for range n {
		r := run(t, registry.Options{Shared: true})
		r.SetIsolated(false)
		all = append(all, r)
	}
	return all
}

func merge(t testing.TB, r *registry.Registry, records ...registry.Record) {
	t.Helper()
	if err := r.Merge(t.Context(), records); err != nil {
		t.Fatal(err)
	}
}

// taken are all records that changed at r. A check-in can be answered shortly before its record counts as changed.
func taken(r *registry.Registry) (all []registry.Record) {
	synctest.Wait()
	for {
		records := r.TakeChanges(7)
		if len(records) == 0 {
			return all
		}
		all = append(all, records...)
	}
}

// exchange lets registries tell each other what changed until nothing does.
func exchange(t testing.TB, all ...*registry.Registry) {
	t.Helper()
	for range 100 {
		quiet := true
		for _, from := range all {
			changed := taken(from)
			for _, to := range all {
				if to != from && len(changed) > 0 {
					merge(t, to, changed...)
					quiet = false
				}
			}
		}
		if quiet {
			return
		}
	}
	t.Fatal("registries go on telling each other of changes")
}

func has(r *registry.Registry, i registry.Instance) bool { return r.Snapshot().Instance(i.Key) != nil }

func TestSharedInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		i := started(all[0], 1)
		checkIn(t, all[0], i)
		before := all[1].Snapshot()
		exchange(t, all...)
		<-before.Changed()
		if got := all[1].Snapshot().Instance(i.Key); got == nil || !got.Equal(all[0].Snapshot().Instance(i.Key)) {
			t.Fatalf("the other server has %+v", got)
		}
		// A renewal at either server is one everywhere, and makes no snapshot.
		snapshot := all[1].Snapshot()
		for range 30 {
			time.Sleep(time.Minute)
			checkIn(t, all[0], i)
			all[1].Hear(all[0].TakeRenewals(10))
		}
		if all[1].Snapshot() != snapshot || !has(all[1], i) || len(taken(all[0])) > 0 {
			t.Error("renewals changed something, or were not heard")
		}
		// The agent goes on at the other server, with the incarnation that the first one issued.
		i.Sequence, i.Weight = 2, 7
		checkIn(t, all[1], i)
		exchange(t, all...)
		if got := all[0].Snapshot().Instance(i.Key); got.Weight != 7 {
			t.Errorf("the first server has weight %d", got.Weight)
		}
		if err := leave(t, all[0], i); err != nil {
			t.Fatal(err)
		}
		exchange(t, all...)
		if has(all[0], i) || has(all[1], i) {
			t.Error("the instance left at one server, and the other one still has it")
		}
		if _, err := all[1].CheckIn(t.Context(), i); !errors.Is(err, registry.ErrLeft) {
			t.Errorf("a late check-in at the other server: %v, want ErrLeft", err)
		}
		again := started(all[1], 1)
		checkIn(t, all[1], again)
		exchange(t, all...)
		if !has(all[0], i) {
			t.Error("a new incarnation is not taken in after the goodbye of the one before")
		}
	})
}

// TestLateGoodbyeAtAnotherServer: a goodbye of an old incarnation that arrives after the new one, in any way, removes nothing.
func TestLateGoodbyeAtAnotherServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 3)
		old := started(all[0], 1)
		checkIn(t, all[0], old)
		exchange(t, all[0], all[1])
		fresh := started(all[1], 1)
		checkIn(t, all[1], fresh)
		if err := leave(t, all[0], old); err != nil { // the first server does not know of the new one yet
			t.Fatal(err)
		}
		if err := leave(t, all[2], old); !errors.Is(err, registry.ErrUnknown) { // and this one of neither
			t.Fatal(err)
		}
		exchange(t, all...)
		for n, r := range all {
			if got := r.Snapshot().Instance(old.Key); got == nil || got.Incarnation != fresh.Incarnation {
				t.Errorf("server %d has %+v, want the new incarnation", n, got)
			}
		}
	})
}

// TestLeaveAtAServerThatKnowsNothing: the goodbye reaches the servers that know the instance.
func TestLeaveAtAServerThatKnowsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		i := started(all[0], 1)
		checkIn(t, all[0], i)
		if err := leave(t, all[1], i); !errors.Is(err, registry.ErrUnknown) {
			t.Fatal(err)
		}
		exchange(t, all...)
		if has(all[0], i) || has(all[1], i) {
			t.Error("the instance is still there")
		}
	})
}

func TestLapseIsContradicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		i := started(all[0], 1)
		checkIn(t, all[0], i)
		exchange(t, all...)
		for range 20 { // the second server hears no renewals
			time.Sleep(time.Minute)
			checkIn(t, all[0], i)
			all[0].TakeRenewals(10)
		}
		if has(all[1], i) {
			t.Fatal("the instance did not lapse where it was not heard: this test tests nothing")
		}
		exchange(t, all...)
		if !has(all[0], i) || !has(all[1], i) {
			t.Error("the server that hears the instance did not contradict the other one")
		}
		checkIn(t, all[0], i)
		if len(taken(all[0])) > 0 {
			t.Error("a renewal after the contradiction is a change")
		}
		// Nobody hears it any more: one server decides, and the other one agrees.
		time.Sleep(11 * time.Minute)
		exchange(t, all...)
		if has(all[0], i) || has(all[1], i) {
			t.Error("the instance did not lapse")
		}
		// It was only silent, and is heard again by a server that knows of the lapse.
		checkIn(t, all[1], i)
		exchange(t, all...)
		if !has(all[0], i) || !has(all[1], i) {
			t.Error("the instance did not come back")
		}
	})
}

// TestLapsedInstanceIsHeardElsewhere: it checks in at a server that has never heard of it, and not of its lapse either.
func TestLapsedInstanceIsHeardElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		i := started(all[0], 1)
		checkIn(t, all[0], i)
		time.Sleep(11 * time.Minute)
		if has(all[0], i) {
			t.Fatal("the instance did not lapse: this test tests nothing")
		}
		checkIn(t, all[1], i)
		exchange(t, all...)
		if !has(all[0], i) || !has(all[1], i) {
			t.Error("the instance is not back everywhere")
		}
	})
}

// TestIsolatedServerLosesNothing: while a server does not hear the others, it keeps what they told it.
func TestIsolatedServerLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		far, near := started(all[0], 1), started(all[1], 2)
		checkIn(t, all[0], far)
		checkIn(t, all[1], near)
		exchange(t, all...)
		all[1].SetIsolated(true)
		time.Sleep(5 * time.Hour)
		if !has(all[1], far) || has(all[1], near) || len(all[1].Doubts()) > 0 {
			t.Errorf("far %v, near %v, doubts %v: want that the far one is kept, and the near one lapses as ever", has(all[1], far), has(all[1], near), all[1].Doubts())
		}
		all[1].SetIsolated(false)
		time.Sleep(9 * time.Minute)
		if !has(all[1], far) {
			t.Error("the far instance had no whole lease after the isolation")
		}
		time.Sleep(2 * time.Minute)
		if has(all[1], far) {
			t.Error("the far instance does not lapse after the isolation")
		}
	})
}

// TestOneAddressTwoKeys: servers that hear of the same conflict in different orders agree on who has the address.
func TestOneAddressTwoKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 3)
		loser := instance("users", 1)
		loser.Incarnation, loser.Sequence = all[0].Issue(), 1
		winner := registry.Instance{Key: registry.Key{Service: "orders", Address: loser.Address}, Sequence: 1}
		for winner.Incarnation.Compare(loser.Incarnation) <= 0 {
			winner.Incarnation = all[1].Issue()
		}
		checkIn(t, all[0], loser)
		checkIn(t, all[1], winner)
		first, second := taken(all[0]), taken(all[1])
		merge(t, all[2], slices.Concat(first, second)...)
		merge(t, all[0], second...)
		merge(t, all[1], first...)
		exchange(t, all...)
		for n, r := range all {
			if has(r, loser) || !has(r, winner) {
				t.Errorf("server %d: loser %v, winner %v", n, has(r, loser), has(r, winner))
			}
		}
		var taken *registry.Taken
		if _, err := all[2].CheckIn(t.Context(), loser); !errors.As(err, &taken) {
			t.Errorf("check-in of the loser: %v, want who has its address", err)
		}
		exchange(t, all...)
		for n, r := range all {
			if has(r, loser) || !has(r, winner) {
				t.Errorf("server %d: loser %v, winner %v", n, has(r, loser), has(r, winner))
			}
		}
	})
}

// slowStore takes a change to its disk only when it is told to.
type slowStore struct{ release chan struct{} }

func (slowStore) Load(context.Context) ([]registry.Change, error) { return nil, nil }

func (s slowStore) Save(ctx context.Context, _ []registry.Change) error {
	select {
	case <-s.release:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestNewerRecordWhileStoring: what another server says while a check-in is stored is not undone by it, and
// records of others do not wait for the disk.
func TestNewerRecordWhileStoring(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := slowStore{make(chan struct{})}
		r := run(t, registry.Options{Shared: true, Store: store})
		other := shared(t, 1)[0]
		old := started(r, 1)
		done := make(chan error)
		go func() {
			_, err := r.CheckIn(t.Context(), old)
			done <- err
		}()
		synctest.Wait()
		fresh := started(other, 1)
		for fresh.Incarnation.Compare(old.Incarnation) <= 0 {
			fresh.Incarnation = other.Issue()
		}
		fresh.Weight = 7
		checkIn(t, other, fresh)
		checkIn(t, other, instance("orders", 1))
		merge(t, r, taken(other)...)
		if !has(r, instance("orders", 1)) {
			t.Error("a record of another instance waits for the disk")
		}
		store.release <- struct{}{}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := r.Snapshot().Instance(old.Key); got == nil || got.Weight != 7 {
			t.Errorf("got %+v, want what the other server says", got)
		}
		close(store.release)
	})
}

// TestMergedInstancesAreStored: what was heard of others survives a restart.
func TestMergedInstancesAreStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Shared: true, Store: store})
		other := shared(t, 1)[0]
		stays, leaves := started(other, 1), started(other, 2)
		checkIn(t, other, stays)
		checkIn(t, other, leaves)
		exchange(t, r, other)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if len(store.has) != 2 {
			t.Fatalf("%d instances are stored", len(store.has))
		}
		if err := leave(t, other, leaves); err != nil {
			t.Fatal(err)
		}
		exchange(t, r, other)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if store.has[stays.Key].Instance == nil || store.has[leaves.Key].Departed != leaves.Incarnation {
			t.Errorf("stored: %v, want the one that stays, and the goodbye of the other", store.has)
		}
	})
}
