package registry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// set sets a source, and fails unless that many instances are contested.
func set(t *testing.T, r *registry.Registry, contested int, name string, instances ...registry.Instance) {
	t.Helper()
	got, err := r.SetSource(t.Context(), name, instances)
	if err != nil || len(got) != contested {
		t.Fatalf("SetSource: contested %v, %v: want %d", got, err, contested)
	}
}

func expectSize(t *testing.T, r *registry.Registry, want int) {
	t.Helper()
	if got := r.Snapshot().Size(); got != want {
		t.Fatalf("the registry has %d instances, want %d", got, want)
	}
}

func TestSourceIsASet(t *testing.T) {
	r := run(t, registry.Options{})
	set(t, r, 0, "file", instance("users", 1), instance("users", 2), instance("orders", 3))
	expectSize(t, r, 3)
	before := r.Snapshot()
	set(t, r, 0, "file", instance("users", 1), instance("users", 2), instance("orders", 3))
	if r.Snapshot() != before {
		t.Error("an equal set made a snapshot")
	}
	changed := instance("users", 1)
	changed.Weight = 7
	set(t, r, 0, "file", changed, instance("users", 4))
	if r.Snapshot().Sequence() != before.Sequence()+1 {
		t.Errorf("a change of four instances made %d snapshots, want one", r.Snapshot().Sequence()-before.Sequence())
	}
	if users := r.Snapshot().Instances("users"); len(users) != 2 || users[0].Weight != 7 || users[0].Source != "file" || r.Snapshot().Size() != 2 {
		t.Errorf("got %+v", users)
	}
	// Another source has its own set, and the first one keeps its addresses.
	set(t, r, 1, "dns", instance("users", 1), instance("orders", 3))
	expectSize(t, r, 3)
	set(t, r, 0, "file")
	set(t, r, 0, "dns", instance("users", 1), instance("orders", 3))
	expectSize(t, r, 2)
	if _, err := r.SetSource(t.Context(), "dns", []registry.Instance{{}}); !errors.As(err, new(registry.Invalid)) {
		t.Errorf("got %v: want that the instance is not valid", err)
	}
	expectSize(t, r, 2)
}

// TestSourceHasNoLease checks that what a source lists stays, without check-ins, until the source says otherwise.
func TestSourceHasNoLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		set(t, r, 0, "file", instance("users", 1), instance("users", 2))
		checkIn(t, r, instance("users", 3))
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		expectSize(t, r, 2)
		if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); !errors.Is(err, registry.ErrSourced) {
			t.Errorf("Leave: got %v, want that its source lists it", err)
		}
		expectSize(t, r, 2)
	})
}

// saved is a store that remembers what it was told.
type saved struct{ changes []registry.Change }

func (*saved) Load(context.Context) ([]registry.Change, error) { return nil, nil }
func (s *saved) Save(_ context.Context, changes []registry.Change) error {
	s.changes = append(s.changes, changes...)
	return nil
}

// TestSourceIsLocal checks that what a source lists is neither stored nor shared: each server has its own sources.
// Servers with equal sources have equal instances, also while they share others.
func TestSourceIsLocal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &saved{}
		first, second := run(t, registry.Options{Shared: true, Store: store}), run(t, registry.Options{Shared: true})
		for _, r := range []*registry.Registry{first, second} {
			set(t, r, 0, "file", instance("users", 1), instance("users", 2))
		}
		checkIn(t, first, instance("users", 3))
		if err := first.Maintain(t.Context(), instance("users", 1).Key, true, "new disk"); err != nil {
			t.Fatal(err)
		}
		exchange(t, first, second)
		if diff := cmp.Diff(described(first), described(second)); diff != "" || first.Snapshot().Size() != 3 {
			t.Errorf("two servers with one file differ: %s", diff)
		}
		if state, _ := second.Snapshot().Instance(instance("users", 1).Key).Condition(); state != registry.Maintenance {
			t.Errorf("the order has not reached the second server: %s", state)
		}
		for shard := range 16 {
			for _, record := range first.Records(shard, 16) {
				if !record.Order && record.Instance.Key != instance("users", 3).Key {
					t.Errorf("shared: %v", record.Instance)
				}
			}
		}
		for _, c := range store.changes {
			if c.Instance != nil && c.Instance.Key != instance("users", 3).Key {
				t.Errorf("stored: %v", c.Instance)
			}
		}
	})
}

// TestAgentBeforeSource checks that an instance that checks in has its address, whatever a source says, also with
// another service or a further port there, and that the source gets it back.
func TestAgentBeforeSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		for _, r := range all {
			set(t, r, 0, "file", instance("users", 1), instance("users", 2))
		}
		agent := instance("users", 1)
		checkIn(t, all[0], agent)
		other := instance("users", 2)
		other.Service = "orders"
		checkIn(t, all[0], other)
		exchange(t, all...)
		for n, r := range all {
			if i := r.Snapshot().Instance(agent.Key); i == nil || i.Source != "" || i.Incarnation.IsZero() {
				t.Errorf("server %d has %+v, want what checked in", n, i)
			}
			set(t, r, 2, "file", instance("users", 1), instance("users", 2))
			expectSize(t, r, 2)
		}
		for _, key := range []registry.Key{agent.Key, other.Key} {
			if err := all[1].Leave(t.Context(), key, registry.Incarnation{}); err != nil {
				t.Fatal(err)
			}
		}
		exchange(t, all...)
		for n, r := range all {
			set(t, r, 0, "file", instance("users", 1), instance("users", 2))
			for shard := range 16 {
				merge(t, r, all[1-n].Records(shard, 16)...) // late goodbyes, and others
			}
			if i := r.Snapshot().Instance(agent.Key); i == nil || i.Source != "file" {
				t.Errorf("server %d has %+v, want what the file says", n, i)
			}
		}
		if records := append(taken(all[0]), taken(all[1])...); len(records) > 0 {
			t.Errorf("the servers still tell each other %v", records)
		}
	})
}
