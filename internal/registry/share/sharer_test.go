package share_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
)

// heals is how long it may take until servers have the same, whatever was lost.
const heals = 10 * time.Second

// server is a registry that shares.
type server struct {
	*registry.Registry
	*share.Sharer
	stop func()
}

func start(t testing.TB, engine share.Engine) *server {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{Shared: true})
	if err != nil {
		t.Fatal(err)
	}
	s := share.New(r, engine, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	stop := sync.OnceFunc(func() { cancel(); running.Wait() })
	running.Go(func() {
		sharing, end := context.WithCancel(context.WithoutCancel(ctx))
		var registryRuns sync.WaitGroup
		registryRuns.Go(func() { _ = r.Run(sharing) })
		_ = s.Run(ctx)
		end()
		registryRuns.Wait()
	})
	t.Cleanup(stop)
	synctest.Wait() // it watches
	return &server{r, s, stop}
}

func instance(service mesh.ServiceName, n int) registry.Instance {
	return registry.Instance{Key: registry.Key{Service: service, Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(service[0]), byte(n >> 8), byte(n)}), 80)}}
}

func checkIn(t testing.TB, s *server, i registry.Instance) {
	t.Helper()
	if _, err := s.CheckIn(t.Context(), i); err != nil {
		t.Fatalf("check-in of %v: %v", i.Key, err)
	}
}

func has(s *server, i registry.Instance) bool { return s.Snapshot().Instance(i.Key) != nil }

// have fails unless each server has exactly these instances.
func have(t testing.TB, servers []*server, want ...registry.Instance) {
	t.Helper()
	synctest.Wait()
	for n, s := range servers {
		for _, i := range want {
			if !has(s, i) {
				t.Errorf("server %d does not have %v", n, i.Key)
			}
		}
		if got := s.Snapshot().Size(); got != len(want) {
			t.Errorf("server %d has %d instances, want %d", n, got, len(want))
		}
	}
}

func TestChangesArePushed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		servers := []*server{start(t, engine), start(t, engine), start(t, engine)}
		synctest.Wait()
		begin := time.Now()
		i, j := instance("users", 1), instance("orders", 1)
		checkIn(t, servers[0], i)
		checkIn(t, servers[1], j)
		have(t, servers, i, j)
		if err := servers[2].Leave(t.Context(), i.Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		have(t, servers, j)
		if waited := time.Since(begin); waited > 0 {
			t.Errorf("that took %v: something waited for a round", waited)
		}
	})
}

// TestRenewalsReachOtherServers: an instance that checks in at one server stays at all of them, and that
// costs one entry a round, whatever the number of instances, and wakes nobody.
func TestRenewalsReachOtherServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		servers := []*server{start(t, engine), start(t, engine)}
		var all []registry.Instance
		for n := range 100 {
			all = append(all, instance("users", n))
			checkIn(t, servers[0], all[n])
		}
		time.Sleep(heals) // some pushes may have been lost
		have(t, servers, all...)
		snapshot, writes := servers[1].Snapshot(), engine.Calls("Write")
		const minutes = 60
		for range minutes {
			time.Sleep(time.Minute)
			for _, i := range all {
				checkIn(t, servers[0], i)
			}
		}
		have(t, servers, all...)
		if servers[1].Snapshot() != snapshot || engine.Calls("Write") != writes {
			t.Error("renewals made a snapshot or were written one by one")
		}
		if n := engine.Calls("Renew"); n > minutes+3 {
			t.Errorf("%d entries in the log of renewals after %d minutes", n, minutes)
		}
	})
}

// faults are what may happen to an engine between two looks at the servers.
var faults = map[string]func(*sharetest.Memory, func()){
	"none":           func(_ *sharetest.Memory, meanwhile func()) { meanwhile() },
	"away":           func(e *sharetest.Memory, meanwhile func()) { e.SetAway(true); meanwhile(); e.SetAway(false) },
	"hangs":          func(e *sharetest.Memory, meanwhile func()) { e.SetHangs(true); meanwhile(); e.SetHangs(false) },
	"pushes nothing": func(e *sharetest.Memory, meanwhile func()) { e.SetSilent(true); meanwhile(); e.SetSilent(false) },
	"wiped after":    func(e *sharetest.Memory, meanwhile func()) { meanwhile(); e.Wipe() },
	"wiped before":   func(e *sharetest.Memory, meanwhile func()) { e.Wipe(); meanwhile() },
	"away and wiped": func(e *sharetest.Memory, meanwhile func()) {
		e.SetAway(true)
		meanwhile()
		e.Wipe()
		e.SetAway(false)
	},
}

// TestFaultsOfTheEngine: whatever happens to the engine, check-ins are answered at once, no server has less
// than before, and soon after it all servers have the same, and the engine everything.
func TestFaultsOfTheEngine(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := sharetest.NewMemory()
				servers := []*server{start(t, engine), start(t, engine)}
				stays, leaves, fresh := instance("users", 1), instance("users", 2), instance("users", 3)
				checkIn(t, servers[0], stays)
				checkIn(t, servers[1], leaves)
				have(t, servers, stays, leaves)
				fault(engine, func() {
					begin := time.Now()
					checkIn(t, servers[1], fresh)
					if err := servers[0].Leave(t.Context(), leaves.Key, registry.Incarnation{}); err != nil {
						t.Error(err)
					}
					if time.Since(begin) > 0 {
						t.Errorf("a check-in waited for the engine")
					}
					for range 25 {
						time.Sleep(30 * time.Second)
						checkIn(t, servers[0], stays)
						checkIn(t, servers[1], fresh)
						if !has(servers[0], stays) || !has(servers[1], stays) || !has(servers[1], fresh) {
							t.Fatal("a server lost an instance")
						}
					}
				})
				time.Sleep(heals)
				have(t, servers, stays, fresh)
				for _, s := range servers {
					if status := s.Status(); !status.Connected || status.Unwritten > 0 {
						t.Errorf("status %+v", status)
					}
				}
				// A server that knows nothing learns everything from the engine alone.
				for _, s := range servers {
					s.stop()
				}
				late := start(t, engine)
				<-late.Synced()
				have(t, []*server{late}, stays, fresh)
			})
		})
	}
}

// TestEngineThatLosesEntries: an entry that is lost without a trace is written again.
func TestEngineThatLosesEntries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		servers := []*server{start(t, engine)}
		i := instance("users", 1)
		checkIn(t, servers[0], i)
		synctest.Wait()
		engine.Lose(registry.Shard("users", share.Shards), "users "+i.Address.String())
		for range 4 {
			time.Sleep(time.Minute)
			checkIn(t, servers[0], i)
		}
		late := start(t, engine)
		<-late.Synced()
		have(t, []*server{late}, i)
	})
}

// TestStatusSaysThatTheEngineIsAway: within one call's timeout, also when it hangs.
func TestStatusSaysThatTheEngineIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		s := start(t, engine)
		<-s.Synced()
		synctest.Wait()
		if status := s.Status(); !status.Connected || status.Err != nil {
			t.Fatalf("status %+v", status)
		}
		engine.SetHangs(true)
		checkIn(t, s, instance("users", 1))
		time.Sleep(heals)
		if status := s.Status(); status.Connected || status.Err == nil || status.Unwritten != 1 {
			t.Errorf("status %+v of an engine that hangs", status)
		}
		engine.SetHangs(false)
		time.Sleep(heals)
		if status := s.Status(); !status.Connected || status.Err != nil || status.Unwritten != 0 {
			t.Errorf("status %+v when it answers again", status)
		}
	})
}

// TestEndingsAreForgotten: the engine does not keep for ever how instances ended.
func TestEndingsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		s := start(t, engine)
		i, stays := instance("users", 1), instance("users", 2)
		checkIn(t, s, i)
		if err := s.Leave(t.Context(), i.Key, registry.Incarnation{}); err != nil {
			t.Fatal(err)
		}
		count := func() int {
			checkIn(t, s, stays)
			synctest.Wait()
			entries, _, err := engine.Read(t.Context(), registry.Shard("users", share.Shards))
			if err != nil {
				t.Fatal(err)
			}
			return len(entries)
		}
		if n := count(); n != 2 {
			t.Fatalf("the engine has %d entries, want an instance and how the other one ended", n)
		}
		for range 150 {
			time.Sleep(time.Minute)
			checkIn(t, s, stays)
		}
		if n := count(); n != 1 {
			t.Errorf("the engine has %d entries, want one", n)
		}
	})
}

// TestServersConvergeThroughAnEngine lets servers work at random while the engine has faults.
func TestServersConvergeThroughAnEngine(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { converge(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func converge(t *testing.T, random *rand.Rand) {
	engine := sharetest.NewMemory()
	servers := []*server{start(t, engine), start(t, engine), start(t, engine)}
	type agent struct {
		registry.Instance
		at int
	}
	agents := map[int]*agent{}
	for step := range 300 {
		i := instance([]mesh.ServiceName{"users", "orders", "carts"}[random.IntN(3)], random.IntN(20))
		switch random.IntN(7) {
		case 0, 1:
			at := random.IntN(len(servers))
			i.Incarnation, i.Sequence = servers[at].Issue(), 1
			if _, err := servers[at].CheckIn(t.Context(), i); err == nil {
				agents[step] = &agent{i, at}
			}
		case 2:
			for number, a := range agents {
				_ = servers[a.at].Leave(t.Context(), a.Key, a.Incarnation)
				delete(agents, number)
				break
			}
		case 3:
			engine.SetAway(random.IntN(3) == 0)
		case 4:
			engine.SetSilent(random.IntN(2) == 0)
		case 5:
			if random.IntN(8) == 0 {
				engine.Wipe()
			}
		case 6:
			time.Sleep(time.Duration(random.IntN(30)) * time.Second)
			for _, a := range agents {
				if random.IntN(9) == 0 {
					a.at = random.IntN(len(servers))
				}
				_, _ = servers[a.at].CheckIn(t.Context(), a.Instance)
			}
		}
	}
	engine.SetAway(false)
	engine.SetSilent(false)
	time.Sleep(2 * heals)
	synctest.Wait()
	for n, s := range servers[1:] {
		if diff := cmp.Diff(described(servers[0]), described(s)); diff != "" {
			t.Errorf("server 0 and server %d (-0 +%d):\n%s", n+1, n+1, diff)
		}
	}
}

func described(s *server) map[string]string {
	all := map[string]string{}
	snapshot := s.Snapshot()
	for _, service := range snapshot.Services() {
		for _, i := range snapshot.Instances(service) {
			all[i.Key.String()] = fmt.Sprint(i.Incarnation, i.Sequence, i.Revival)
		}
	}
	return all
}
