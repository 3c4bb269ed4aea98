package registry_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// memory is a Store that can be told to fail or to take its time.
type memory struct {
	mu    sync.Mutex
	has   map[registry.Key]registry.Change
	fail  error
	delay time.Duration
	saves int
}

func newMemory() *memory { return &memory{has: make(map[registry.Key]registry.Change)} }

func (m *memory) Load(context.Context) ([]registry.Change, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Collect(maps.Values(m.has)), m.fail
}

func (m *memory) Save(_ context.Context, changes []registry.Change) error {
	m.mu.Lock()
	delay := m.delay
	m.mu.Unlock()
	time.Sleep(delay)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.saves++
	if m.fail != nil {
		return m.fail
	}
	for _, c := range changes {
		if c == (registry.Change{Key: c.Key}) {
			delete(m.has, c.Key)
		} else {
			m.has[c.Key] = c
		}
	}
	return nil
}

func (m *memory) set(fail error, delay time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail, m.delay = fail, delay
}

func (m *memory) size() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.has)
}

func (m *memory) written() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.saves
}

// TestRestart: a server that was away has heard nobody and concludes nothing from that.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		ctx, stop := context.WithCancel(t.Context())
		first, err := registry.New(ctx, registry.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = first.Run(ctx) }()
		checkIn(t, first, instance("users", 1))
		checkIn(t, first, instance("users", 2))
		checkIn(t, first, instance("users", 3))
		if err := first.Leave(ctx, instance("users", 3).Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		stop()
		time.Sleep(24 * time.Hour)

		second, err := registry.New(t.Context(), registry.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		if n := second.Snapshot().Size(); n != 2 {
			t.Fatalf("the first snapshot after a restart has %d instances, want 2", n)
		}
		ctx, stop = context.WithCancel(t.Context())
		defer stop()
		go func() { _ = second.Run(ctx) }()
		time.Sleep(10*time.Minute - time.Second)
		if n := second.Snapshot().Size(); n != 2 {
			t.Errorf("%d instances are left before a whole lease is over, want 2", n)
		}
		if checkIn(t, second, instance("users", 1)).Created {
			t.Error("an instance from before the restart counts as created")
		}
		time.Sleep(3 * time.Second)
		if n := second.Snapshot().Size(); n != 1 {
			t.Errorf("%d instances are left after the lease, want the one that checked in", n)
		}
	})
}

func TestRenewalsAreNotStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		f := start(t, registry.Options{Store: store}, sizes("users", 5))
		before := store.written()
		f.live(time.Hour)
		if n := store.written() - before; n != 0 {
			t.Errorf("renewals cost %d writes", n)
		}
	})
}

// TestFullStore: known instances are served and may leave, new ones are refused until
// there is room.
func TestFullStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Store: store})
		checkIn(t, r, instance("users", 1))
		checkIn(t, r, instance("users", 2))
		before := r.Snapshot()
		store.set(registry.ErrFull, 0)
		if _, err := r.CheckIn(t.Context(), instance("users", 3)); !errors.Is(err, registry.ErrFull) {
			t.Errorf("a new instance: %v, want ErrFull", err)
		}
		heavy := instance("users", 1)
		heavy.Weight = 7
		if _, err := r.CheckIn(t.Context(), heavy); !errors.Is(err, registry.ErrFull) {
			t.Errorf("a changed instance: %v, want ErrFull", err)
		}
		if r.Snapshot() != before {
			t.Error("a refused check-in made a snapshot")
		}
		checkIn(t, r, instance("users", 1)) // a renewal needs no room
		if err := r.Leave(t.Context(), instance("users", 2).Key, registry.Incarnation{}); err != nil {
			t.Errorf("leaving: %v, want nothing to keep traffic coming", err)
		}
		if n := r.Snapshot().Size(); n != 1 || store.size() != 2 {
			t.Errorf("%d instances in the snapshot and %d stored, want 1 and 2", n, store.size())
		}
		store.set(nil, 0)
		time.Sleep(2 * time.Second)
		if store.size() != 1 {
			t.Errorf("%d instances are stored after the store recovered, want 1: the leave was owed", store.size())
		}
		checkIn(t, r, instance("users", 3))
	})
}

// TestOwedLeaveIsNotTheLastWord: the instance came back before the store could be told.
func TestOwedLeaveIsNotTheLastWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Store: store})
		checkIn(t, r, instance("users", 1))
		store.set(errors.New("broken"), 0)
		if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.CheckIn(t.Context(), instance("users", 1)); err == nil {
			t.Fatal("a broken store took a check-in")
		}
		store.set(nil, 0)
		if !checkIn(t, r, instance("users", 1)).Created {
			t.Error("it left and came back, and does not count as created")
		}
		time.Sleep(time.Minute)
		if store.size() != 1 {
			t.Error("the leave of the earlier life was stored over the new one")
		}
	})
}

// TestCheckInDuringLapse: the lapse of an instance is being stored when it checks in again.
func TestCheckInDuringLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Store: store})
		checkIn(t, r, instance("users", 1))
		store.set(nil, 5*time.Second)
		time.Sleep(10*time.Minute + 2*time.Second)
		if store.size() != 1 || r.Snapshot().Size() != 0 {
			t.Fatal("the lapse is not being stored: this test tests nothing")
		}
		if !checkIn(t, r, instance("users", 1)).Created {
			t.Error("the check-in renewed a lease that had lapsed")
		}
		time.Sleep(time.Minute)
		if r.Snapshot().Size() != 1 || store.size() != 1 {
			t.Error("an answered check-in was undone by the lapse before it")
		}
	})
}

// TestHangingStore: while it hangs, renewals are answered, who leaves is gone at once, and
// leases end; only what is new waits.
func TestHangingStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		f := start(t, registry.Options{Store: store}, sizes("users", 20))
		f.kill("users", 1)
		store.set(nil, 15*time.Minute)
		arrived := make(chan error, 1)
		go func() {
			_, err := f.r.CheckIn(t.Context(), instance("orders", 3))
			arrived <- err
		}()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.r.Leave(ctx, instance("users", 1).Key, registry.Incarnation{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("leaving: %v, want the caller's deadline", err)
		}
		f.kill("users", 1)
		f.wantSize("users", 19)
		ctx, cancel = context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.r.CheckIn(ctx, instance("orders", 4)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a new instance: %v, want the caller's deadline", err)
		}
		f.live(11 * time.Minute)
		f.wantSize("users", 18)
		store.set(nil, 0)
		f.live(5 * time.Minute)
		if err := <-arrived; err != nil || store.size() != 20 {
			t.Errorf("when the store is back: %v, and %d stored, want 18 users and 2 orders", err, store.size())
		}
	})
}

// TestLeaveBehindACheckIn: the leave of an instance whose check-in is being stored comes
// after it.
func TestLeaveBehindACheckIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		r := run(t, registry.Options{Store: store})
		store.set(nil, time.Minute)
		var calls sync.WaitGroup
		calls.Go(func() { checkIn(t, r, instance("users", 1)) })
		time.Sleep(time.Second)
		calls.Go(func() {
			if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); err != nil {
				t.Errorf("leaving: %v", err)
			}
		})
		time.Sleep(time.Second)
		calls.Go(func() {
			if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); !errors.Is(err, registry.ErrUnknown) {
				t.Errorf("leaving twice: %v, want ErrUnknown", err)
			}
		})
		calls.Wait()
		if r.Snapshot().Size() != 0 || store.size() != 0 {
			t.Errorf("%d instances, %d stored, want none", r.Snapshot().Size(), store.size())
		}
	})
}

// TestEndWhileSaving: what was accepted before the end is stored and answered.
func TestEndWhileSaving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.set(nil, time.Minute)
		r, err := registry.New(t.Context(), registry.Options{Store: store})
		if err != nil {
			t.Fatal(err)
		}
		ctx, end := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { _ = r.Run(ctx) })
		all.Go(func() { checkIn(t, r, instance("users", 1)) })
		time.Sleep(time.Second)
		all.Go(func() { checkIn(t, r, instance("users", 2)) })
		time.Sleep(time.Second)
		end()
		all.Wait()
		if store.size() != 2 {
			t.Errorf("%d are stored, want both", store.size())
		}
	})
}

// TestGroupCommit: many at once wait for the store together.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := newMemory()
		store.delay = time.Second
		r := run(t, registry.Options{Store: store})
		begin := time.Now()
		var all sync.WaitGroup
		for n := range registry.MaxBatch {
			all.Go(func() { checkIn(t, r, instance("users", n)) })
		}
		all.Wait()
		if took := time.Since(begin); took > 3*time.Second {
			t.Errorf("%d check-ins took %v with a store that needs 1s", registry.MaxBatch, took)
		}
		if store.size() != registry.MaxBatch {
			t.Errorf("%d are stored", store.size())
		}
	})
}

func TestBrokenStoreIsNotStarted(t *testing.T) {
	store := newMemory()
	store.fail = errors.New("broken")
	if _, err := registry.New(t.Context(), registry.Options{Store: store}); err == nil {
		t.Error("a registry began with nothing though its store cannot be read")
	}
}

// TestInvalidStoredInstanceIsLeftOut starts with an instance that this release would refuse: the others are served.
func TestInvalidStoredInstanceIsLeftOut(t *testing.T) {
	good, bad := instance("users", 1).WithDefaults(), instance("users", 2).WithDefaults()
	bad.Tags = map[string]string{"team": "a\u202eb"}
	store := newMemory()
	store.has[good.Key], store.has[bad.Key] = registry.Change{Key: good.Key, Instance: &good}, registry.Change{Key: bad.Key, Instance: &bad}
	r, err := registry.New(t.Context(), registry.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	if all := r.Snapshot().Instances("users"); len(all) != 1 || all[0].Key != good.Key {
		t.Errorf("instances %v: want the valid one", all)
	}
}
