package registry_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/diskstore"
)

// condition is the state and reason that count for an instance.
func condition(r *registry.Registry, key registry.Key) string {
	i := r.Snapshot().Instance(key)
	if i == nil {
		return "absent"
	}
	state, reason := i.Condition()
	return strings.TrimSpace(string(state) + " " + reason)
}

func maintain(t testing.TB, r *registry.Registry, key registry.Key, on bool, reason string) {
	t.Helper()
	if err := r.Maintain(t.Context(), key, on, reason); err != nil {
		t.Fatal(err)
	}
}

// TestOrderOutlivesItsInstance: an operator's order stays through renewals, changes, restarts of the agent and of the
// server, until it is taken back.
func TestOrderOutlivesItsInstance(t *testing.T) {
	dir := t.TempDir()
	i := instance("users", 1)
	restart := func() (*registry.Registry, func()) {
		store, err := diskstore.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		r, end := runUntil(t, registry.Options{Store: store})
		return r, func() { end(); _ = store.Close() }
	}
	r, end := restart()
	i.Incarnation, i.Sequence = r.Issue(), 1
	checkIn(t, r, i)
	maintain(t, r, i.Key, true, "new disk")
	want := func(when, want string) {
		t.Helper()
		if got := condition(r, i.Key); got != want {
			t.Errorf("%s: got %q, want %q", when, got, want)
		}
	}
	want("ordered", "maintenance new disk")
	if grant := checkIn(t, r, i); grant.Created {
		t.Error("a renewal is a new instance")
	}
	i.State, i.Reason, i.Sequence = registry.Unhealthy, "GET /healthz answers 503", 2
	checkIn(t, r, i)
	want("changed", "maintenance new disk")
	if err := r.Leave(t.Context(), i.Key, i.Incarnation); err != nil {
		t.Fatal(err)
	}
	end()
	r, end = restart()
	want("left", "absent")
	if orders := r.Orders(); len(orders) != 1 || orders[0].Key != i.Key || orders[0].Reason != "new disk" {
		t.Errorf("orders are %v", orders)
	}
	i.Incarnation, i.Sequence, i.State, i.Reason = r.Issue(), 1, registry.Healthy, ""
	checkIn(t, r, i)
	want("back", "maintenance new disk")
	end()
	r, end = restart()
	want("after a restart", "maintenance new disk")
	maintain(t, r, i.Key, false, "")
	want("taken back", "healthy")
	end()
	r, end = restart()
	defer end()
	want("after another restart", "healthy")
}

// TestOrderLeavesTheLease: an order is no sign of life.
func TestOrderLeavesTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		i := instance("users", 1)
		before := checkIn(t, r, i).Expires
		version := r.Snapshot().Version("users")
		time.Sleep(time.Minute)
		maintain(t, r, i.Key, true, "new disk")
		if l, found := r.Lease(i.Key); !found || !l.Expires.Equal(before) {
			t.Errorf("the lease ends at %v, want %v", l.Expires, before)
		}
		if r.Snapshot().Version("users") == version {
			t.Error("the order made no snapshot")
		}
	})
}

func TestRefusedOrders(t *testing.T) {
	r := run(t, registry.Options{})
	if err := r.Maintain(t.Context(), instance("users", 1).Key, true, "new disk"); !errors.Is(err, registry.ErrUnknown) {
		t.Errorf("order about an unknown instance: %v", err)
	}
	var invalid registry.Invalid
	if err := r.Maintain(t.Context(), instance("users", 1).Key, true, "\x1b"); !errors.As(err, &invalid) {
		t.Errorf("unprintable reason: %v", err)
	}
}

// TestOrdersAreBounded: orders that were taken back make room, those in effect do not.
func TestOrdersAreBounded(t *testing.T) {
	r := run(t, registry.Options{Shared: true})
	var records []registry.Record
	for n := range registry.MaxOrders {
		ended := registry.Present
		if n == 7 {
			ended = registry.Lapsed
		}
		records = append(records, registry.Record{Instance: &registry.Instance{Key: instance("users", n).Key, Sequence: 1}, Order: true, Ended: ended})
	}
	merge(t, r, records...)
	for n, want := range []error{nil, registry.ErrOrders} {
		i := instance("orders", n)
		checkIn(t, r, i)
		if err := r.Maintain(t.Context(), i.Key, true, "new disk"); !errors.Is(err, want) {
			t.Errorf("order %d more: %v, want %v", n+1, err, want)
		}
	}
	if n := len(r.Orders()); n != registry.MaxOrders {
		t.Errorf("%d orders, want %d", n, registry.MaxOrders)
	}
}

// TestOrdersAreShared: servers agree on the order of the higher version, and a check-in at another server at the same
// time does not undo it.
func TestOrdersAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := shared(t, 2)
		i := instance("users", 1)
		i.Incarnation, i.Sequence = all[0].Issue(), 1
		checkIn(t, all[0], i)
		exchange(t, all...)
		maintain(t, all[0], i.Key, true, "new disk")
		i.Weight, i.Sequence = 7, 2
		checkIn(t, all[1], i)
		exchange(t, all...)
		for n, r := range all {
			if got := condition(r, i.Key); got != "maintenance new disk" || r.Snapshot().Instance(i.Key).Weight != 7 {
				t.Errorf("server %d: %q", n, got)
			}
		}
		maintain(t, all[1], i.Key, false, "")
		exchange(t, all...)
		for n, r := range all {
			if got := condition(r, i.Key); got != "healthy" {
				t.Errorf("server %d: %q", n, got)
			}
		}
	})
}

// TestNetworksAreApart: equal addresses in different networks are different instances.
func TestNetworksAreApart(t *testing.T) {
	r := run(t, registry.Options{})
	here, there := instance("users", 1), instance("users", 1)
	there.Network = "east"
	checkIn(t, r, here)
	if grant := checkIn(t, r, there); !grant.Created || len(grant.Displaced) > 0 {
		t.Errorf("got %+v, want a new instance beside the other", grant)
	}
	there.Service = "orders"
	if grant := checkIn(t, r, there); len(grant.Displaced) != 1 || grant.Displaced[0].Network != "east" {
		t.Errorf("displaced %v, want the one of the same network", grant.Displaced)
	}
	if n := len(r.Snapshot().Instances("users")); n != 1 {
		t.Errorf("%d users are left, want 1", n)
	}
}
