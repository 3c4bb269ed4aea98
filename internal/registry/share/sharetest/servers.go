package sharetest

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// heals is how long it may take until servers have the same again; tests wait longer, for busy machines.
const heals = 10 * time.Second

// Server is a registry that shares.
type Server struct {
	*registry.Registry
	*share.Sharer
}

// StartServer starts a server that ends with the test. It has what the engine has when StartServer returns.
func StartServer(t *testing.T, engine share.Engine) *Server {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	s := share.New(r, engine, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	running.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
	Eventually(t, "the server has what the store has", func() bool { return s.Status().Connected })
	return &Server{r, s}
}

// Instance is instance number n of the service users.
func Instance(n int) registry.Instance {
	return registry.Instance{Key: registry.Key{Service: "users", Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)}}
}

// CheckIn fails unless the check-in is answered at once, whatever the store does.
func CheckIn(t *testing.T, s *Server, i registry.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.CheckIn(ctx, i); err != nil {
		t.Fatalf("check-in of %v: %v", i.Key, err)
	}
}

// Have waits until each server has exactly these instances.
func Have(t *testing.T, servers []*Server, want ...registry.Instance) {
	t.Helper()
	Eventually(t, "all servers have the same", func() bool {
		for _, s := range servers {
			if s.Snapshot().Size() != len(want) {
				return false
			}
			for _, i := range want {
				if s.Snapshot().Instance(i.Key) == nil {
					return false
				}
			}
		}
		return true
	})
}

// Eventually waits until done reports true.
func Eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * heals); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, 3*heals)
		}
	}
}

// Fault is something that happens to a store, and how it ends.
type Fault struct {
	Begin, End func()
	Away       bool // the second server cannot reach the store meanwhile
}

// Survive tests two servers with a store that has a fault. Meanwhile servers take check-ins and goodbyes at once and lose
// nothing; afterwards they have the same, and so has a server that begins with nothing. open returns engines: that of the
// second server (1) may be partitioned from the store.
func Survive(t *testing.T, open func(n int) share.Engine, fault Fault) {
	servers := []*Server{StartServer(t, open(0)), StartServer(t, open(1))}
	stays, leaves, first, second := Instance(1), Instance(2), Instance(3), Instance(4)
	CheckIn(t, servers[0], stays)
	CheckIn(t, servers[1], leaves)
	Have(t, servers, stays, leaves)

	fault.Begin()
	CheckIn(t, servers[0], first)
	CheckIn(t, servers[1], second)
	if err := servers[0].Leave(t.Context(), leaves.Key, registry.Incarnation{}); err != nil {
		t.Fatal(err)
	}
	if fault.Away {
		Eventually(t, "the server says that the store is away", func() bool { return !servers[1].Status().Connected })
	}
	for n, s := range servers {
		if s.Snapshot().Instance(stays.Key) == nil {
			t.Errorf("server %d lost an instance", n)
		}
	}
	fault.End()
	Have(t, servers, stays, first, second)
	late := StartServer(t, open(2))
	Have(t, []*Server{late}, stays, first, second)
}
