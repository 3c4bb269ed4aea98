package registry_test

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
)

// run returns a running registry that ends with the test.
func run(t testing.TB, options registry.Options) *registry.Registry {
	t.Helper()
	r, _ := runUntil(t, options)
	return r
}

// runUntil returns a running registry, which ends with end, or with the test.
func runUntil(t testing.TB, options registry.Options) (_ *registry.Registry, end func()) {
	t.Helper()
	r, err := registry.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	end = func() { cancel(); done.Wait() }
	t.Cleanup(end)
	return r, end
}

// instance returns instance number n of a service, at an address that no other has.
func instance(service mesh.ServiceName, n int) registry.Instance {
	subnet := byte(0)
	for i := range len(service) {
		subnet = subnet*31 + service[i]
	}
	ip := netip.AddrFrom4([4]byte{10, subnet, byte(n >> 8), byte(n)})
	return registry.Instance{Key: registry.Key{Service: service, Address: netip.AddrPortFrom(ip, 9211)}}
}

func checkIn(t testing.TB, r *registry.Registry, i registry.Instance) registry.Grant {
	t.Helper()
	grant, err := r.CheckIn(t.Context(), i)
	if err != nil {
		t.Fatalf("check-in of %v: %v", i.Key, err)
	}
	return grant
}

func TestCheckInHasDefaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		grant := checkIn(t, r, instance("users", 1))
		want := registry.Instance{Key: instance("users", 1).Key, Weight: 100, State: registry.Healthy, Lease: 10 * time.Minute}
		if !grant.Instance.Equal(&want) || !grant.Created {
			t.Errorf("got %+v, want a new %+v", grant, want)
		}
		if want := time.Now().Add(10 * time.Minute); !grant.Expires.Equal(want) {
			t.Errorf("expires %v, want %v", grant.Expires, want)
		}
		if grant.RenewAfter <= 54*time.Second || grant.RenewAfter > time.Minute {
			t.Errorf("renew after %v, want 54s-60s", grant.RenewAfter)
		}
		if got := r.Snapshot().Instances("users"); len(got) != 1 || got[0] != grant.Instance {
			t.Errorf("snapshot has %v, want the instance of the answer", got)
		}
	})
}

func TestRenewalMakesNoSnapshot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		first := checkIn(t, r, instance("users", 1))
		before := r.Snapshot()
		time.Sleep(time.Minute)
		again := checkIn(t, r, instance("users", 1))
		if r.Snapshot() != before {
			t.Error("a renewal made a snapshot")
		}
		select {
		case <-before.Changed():
			t.Error("a renewal woke readers")
		default:
		}
		if got := again.Expires.Sub(first.Expires); got != time.Minute || again.Created {
			t.Errorf("the renewal moved the lease by %v (created %t), want 1m", got, again.Created)
		}
		if lease, ok := r.Lease(first.Key); !ok || !lease.Expires.Equal(again.Expires) {
			t.Errorf("lease %v, %t, want it to end %v", lease, ok, again.Expires)
		}
	})
}

func TestChangeWakesReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		checkIn(t, r, instance("users", 1))
		before := r.Snapshot()
		changed := instance("users", 1)
		changed.State = registry.Draining
		if checkIn(t, r, changed).Created {
			t.Error("a known instance counts as created")
		}
		select {
		case <-before.Changed():
		default:
			t.Error("the old snapshot does not say that it is stale")
		}
		if got := r.Snapshot().Instances("users")[0].State; got != registry.Draining {
			t.Errorf("state %s, want draining", got)
		}
		if before.Instances("users")[0].State != registry.Healthy {
			t.Error("the old snapshot changed")
		}
	})
}

func TestLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := run(t, registry.Options{})
		checkIn(t, r, instance("users", 1))
		checkIn(t, r, instance("users", 2))
		if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		got := r.Snapshot().Instances("users")
		if len(got) != 1 || got[0].Key != instance("users", 2).Key {
			t.Errorf("left are %v, want number 2 alone", got)
		}
		if err := r.Leave(t.Context(), instance("users", 1).Key, registry.Incarnation{}); !errors.Is(err, registry.ErrUnknown) {
			t.Errorf("leaving again: %v, want ErrUnknown", err)
		}
	})
}

func TestInvalidCheckInIsRefused(t *testing.T) {
	r := run(t, registry.Options{})
	bad := instance("Users", 1)
	bad.Weight = 5000
	var invalid registry.Invalid
	if _, err := r.CheckIn(t.Context(), bad); !errors.As(err, &invalid) || len(invalid) != 2 {
		t.Errorf("got %v, want two problems", err)
	}
	if n := r.Snapshot().Size(); n != 0 {
		t.Errorf("the snapshot has %d instances, want none", n)
	}
}

func TestCallsEndWithTheRegistry(t *testing.T) {
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CheckIn(t.Context(), instance("users", 1)); !errors.Is(err, registry.ErrStopped) {
		t.Errorf("check-in: %v, want ErrStopped", err)
	}
	if _, err := r.Decide(t.Context(), "users", registry.Keep); !errors.Is(err, registry.ErrStopped) {
		t.Errorf("decide: %v, want ErrStopped", err)
	}
}
