package redisengine_test

import (
	"context"
	"log/slog"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

// heals is how long it may take until servers have the same again; tests wait longer, for busy machines.
const heals = 10 * time.Second

// server is a registry that shares.
type server struct {
	*registry.Registry
	*share.Sharer
}

func startServer(t *testing.T, engine share.Engine) *server {
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
	eventually(t, "the server has what the store has", func() bool { return s.Status().Connected })
	return &server{r, s}
}

func instance(n int) registry.Instance {
	return registry.Instance{Key: registry.Key{Service: "users", Address: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}), 80)}}
}

// checkIn fails unless the check-in is answered at once, whatever the store does.
func checkIn(t *testing.T, s *server, i registry.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if _, err := s.CheckIn(ctx, i); err != nil {
		t.Fatalf("check-in of %v: %v", i.Key, err)
	}
}

func have(t *testing.T, servers []*server, want ...registry.Instance) {
	t.Helper()
	eventually(t, "all servers have the same", func() bool {
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

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(3 * heals); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, 3*heals)
		}
	}
}

// TestFaults: the store dies, is wiped, hangs, or cannot be reached by one server. Meanwhile servers take
// check-ins and goodbyes at once and lose nothing; afterwards they have the same, and so has a server that
// begins with nothing.
func TestFaults(t *testing.T) {
	type world struct {
		store *redisserver.Server
		gate  *redisserver.Gate // between the store and the second server
	}
	nothing := func(world) {}
	for name, fault := range map[string]struct{ begin, end func(world) }{
		"killed, and starts empty": {func(w world) { w.store.Kill() }, func(w world) { w.store.Restart() }},
		"wiped":                    {func(w world) { w.store.Do("FLUSHALL") }, nothing},
		"paused":                   {func(w world) { w.store.Pause() }, func(w world) { w.store.Resume() }},
		"partitioned":              {func(w world) { w.gate.Shut() }, func(w world) { w.gate.Open() }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{store: redisserver.Start(t)}
			w.gate = redisserver.StartGate(t, w.store.Address())
			url := "redis://" + w.store.Address()
			servers := []*server{startServer(t, open(t, url, "")), startServer(t, open(t, "redis://"+w.gate.Address(), ""))}
			stays, leaves, first, second := instance(1), instance(2), instance(3), instance(4)
			checkIn(t, servers[0], stays)
			checkIn(t, servers[1], leaves)
			have(t, servers, stays, leaves)

			fault.begin(w)
			checkIn(t, servers[0], first)
			checkIn(t, servers[1], second)
			if err := servers[0].Leave(t.Context(), leaves.Key, registry.Incarnation{}); err != nil {
				t.Fatal(err)
			}
			if name != "wiped" {
				eventually(t, "the server says that the store is away", func() bool { return !servers[1].Status().Connected })
			}
			for n, s := range servers {
				if s.Snapshot().Instance(stays.Key) == nil {
					t.Errorf("server %d lost an instance", n)
				}
			}
			fault.end(w)
			have(t, servers, stays, first, second)
			late := startServer(t, open(t, url, ""))
			have(t, []*server{late}, stays, first, second)
		})
	}
}

// TestFailover: the master dies, and a Sentinel makes the replica the master.
func TestFailover(t *testing.T) {
	t.Parallel()
	master, _, sentinel := redisserver.StartReplicated(t)
	url := "redis+sentinel://" + sentinel.Address() + "?master=mesh"
	servers := []*server{startServer(t, open(t, url, "")), startServer(t, open(t, url, ""))}
	checkIn(t, servers[0], instance(1))
	have(t, servers, instance(1))
	master.Kill()
	checkIn(t, servers[1], instance(2))
	have(t, servers, instance(1), instance(2))
	late := startServer(t, open(t, url, ""))
	have(t, []*server{late}, instance(1), instance(2))
}

// TestChangesThroughACluster: services of several shards, which are on several nodes.
func TestChangesThroughACluster(t *testing.T) {
	t.Parallel()
	url := "redis+cluster://" + redisserver.StartCluster(t)[0].Address()
	servers := []*server{startServer(t, open(t, url, "")), startServer(t, open(t, url, ""))}
	var all []registry.Instance
	for n := range 20 {
		i := instance(n)
		i.Service += "-" + mesh.ServiceName(rune('a'+n))
		checkIn(t, servers[n%2], i)
		all = append(all, i)
	}
	have(t, servers, all...)
}

// TestValueWithoutARank: what is no entry does not keep an instance from being written.
func TestValueWithoutARank(t *testing.T) {
	store := redisserver.Start(t)
	engine := open(t, "redis://"+store.Address(), "")
	entry := share.Entry{Key: "users-10.0.0.1:80", Value: []byte("a value")}
	entry.Rank[0] = 1
	for _, garbage := range []string{"z", strings.Repeat("z", 1000), strings.Repeat("f", 70) + strings.Repeat("z", 70), strings.Repeat("F", 1000)} {
		store.Do("HSET doyen:{5}:instances " + entry.Key + " " + garbage)
		newer, err := engine.Write(t.Context(), 5, []share.Entry{entry})
		if err != nil || len(newer) > 0 {
			t.Errorf("%.100s: newer %v, error %v", garbage, newer, err)
		}
		if got, _, err := engine.Read(t.Context(), 5); err != nil || len(got) != 1 || got[0].Rank != entry.Rank || string(got[0].Value) != "a value" {
			t.Errorf("%.100s: the shard has %v, %v: want what was written", garbage, got, err)
		}
	}
}
