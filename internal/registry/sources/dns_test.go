package sources

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// names is a resolver whose answers a test sets.
type names struct {
	mu      sync.Mutex
	targets map[string][]target
	ttl     time.Duration
	err     error
	asked   int
}

func (n *names) resolve(_ context.Context, q question) ([]target, time.Duration, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked++
	return n.targets[q.Name], n.ttl, n.err
}

func (n *names) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
}

func targets(addresses ...string) (all []target) {
	for _, a := range addresses {
		all = append(all, target{netip.MustParseAddrPort(a), 0})
	}
	return all
}

// source is a DNS source that runs, and what it set last.
type source struct {
	lookups chan []lookup
	mu      sync.Mutex
	sets    int
	last    []registry.Instance
}

func (s *source) set(instances []registry.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sets, s.last = s.sets+1, instances
}

// expect waits until nothing happens without time passing, and compares the set.
func (s *source) expect(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	got := []string{}
	for _, i := range s.last {
		got = append(got, string(i.Service)+" "+i.Address.String())
	}
	if s.sets == 0 {
		got = append(got, "no set")
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// start runs a DNS source until stop, or the end of the test.
func start(t *testing.T, n *names, kept string) (s *source, stop func()) {
	t.Helper()
	s = &source{lookups: make(chan []lookup, 1)}
	d := &DNS{lookups: s.lookups, resolve: n.resolve, kept: kept, log: slog.New(slog.DiscardHandler), answers: map[question][]target{}, following: map[question]context.CancelFunc{}}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = d.Run(ctx, s.set) })
	stop = func() { cancel(); running.Wait() }
	t.Cleanup(stop)
	return s, stop
}

func lookupOf(service, name string) lookup {
	return lookup{question{Name: name, Port: 80}, registry.Instance{Key: registry.Key{Service: "users"}}}
}

func TestDNSFollowsTTL(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &names{targets: map[string][]target{"u.": targets("10.0.0.1:80")}, ttl: 30 * time.Second}
		s, _ := start(t, n, filepath.Join(t.TempDir(), "dns.json"))
		s.expect(t, "no set")
		s.lookups <- []lookup{lookupOf("users", "u.")}
		s.expect(t, "users 10.0.0.1:80")
		n.change(func() { n.targets["u."] = targets("10.0.0.1:80", "10.0.0.2:80", "0.0.0.0:80") })
		time.Sleep(29 * time.Second)
		s.expect(t, "users 10.0.0.1:80")
		time.Sleep(time.Second)
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		if n.asked != 2 {
			t.Errorf("asked %d times in 30 s, want twice", n.asked)
		}
		// TTLs that are too short or too long are bounded.
		n.change(func() { n.ttl = 0 })
		time.Sleep(30 * time.Second)
		synctest.Wait()
		n.change(func() { n.asked = 0 })
		time.Sleep(10 * time.Second)
		synctest.Wait()
		n.change(func() {
			if n.asked != 10 {
				t.Errorf("with a TTL of 0: asked %d times in 10 s, want each second", n.asked)
			}
			n.ttl = 24 * time.Hour
		})
		time.Sleep(time.Second)
		synctest.Wait()
		n.change(func() { n.asked = 0 })
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n.asked != 1 {
			t.Errorf("with a TTL of a day: asked %d times in 5 min, want once", n.asked)
		}
	})
}

// TestDNSFailureRemovesNothing checks that instances stay while a name cannot be resolved, also over a restart, and
// that a name without records is doubted for as long as a lease.
func TestDNSFailureRemovesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := filepath.Join(t.TempDir(), "dns.json")
		n := &names{targets: map[string][]target{"u.": targets("10.0.0.1:80"), "v.": targets("10.0.0.2:80")}, ttl: 5 * time.Second}
		s, stop := start(t, n, kept)
		s.lookups <- []lookup{lookupOf("users", "u."), lookupOf("users", "v.")}
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		n.change(func() { n.err = errors.New("SERVFAIL") })
		time.Sleep(24 * time.Hour)
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		stop()

		s, _ = start(t, n, kept)
		s.lookups <- []lookup{lookupOf("users", "u."), lookupOf("users", "v."), lookupOf("users", "new.")}
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		n.change(func() { n.err, n.targets["u."] = nil, nil })
		time.Sleep(9 * time.Minute)
		s.expect(t, "users 10.0.0.1:80", "users 10.0.0.2:80")
		n.change(func() { n.targets["u."] = targets("10.0.0.3:80") })
		time.Sleep(10 * time.Second)
		s.expect(t, "users 10.0.0.3:80", "users 10.0.0.2:80")
		n.change(func() { n.targets["u."] = nil })
		time.Sleep(9 * time.Minute) // the doubt begins anew
		s.expect(t, "users 10.0.0.3:80", "users 10.0.0.2:80")
		time.Sleep(2 * time.Minute)
		s.expect(t, "users 10.0.0.2:80")
		s.lookups <- []lookup{lookupOf("users", "new.")}
		s.expect(t)
	})
}

// TestDNSFirstSet checks that the first set waits for answers, and not longer than 2 s.
func TestDNSFirstSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &DNS{
			lookups: make(chan []lookup), kept: filepath.Join(t.TempDir(), "dns.json"), log: slog.New(slog.DiscardHandler),
			resolve: func(ctx context.Context, q question) ([]target, time.Duration, error) {
				if q.Name == "slow." {
					<-ctx.Done()
				}
				return targets("10.0.0.1:80"), time.Minute, ctx.Err()
			},
			answers: map[question][]target{}, following: map[question]context.CancelFunc{},
		}
		lookups := make(chan []lookup, 1)
		d.lookups = lookups
		lookups <- []lookup{lookupOf("users", "u."), lookupOf("users", "slow.")}
		ctx, cancel := context.WithCancel(t.Context())
		begun := time.Now()
		var running sync.WaitGroup
		defer running.Wait()
		defer cancel()
		first := make(chan []registry.Instance, 10)
		running.Go(func() { _ = d.Run(ctx, func(i []registry.Instance) { first <- i }) })
		if got := <-first; len(got) != 1 || time.Since(begun) != 2*time.Second {
			t.Errorf("after %v: %v, want what is known after 2 s", time.Since(begun), got)
		}
	})
}
