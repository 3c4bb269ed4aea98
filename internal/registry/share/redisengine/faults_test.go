package redisengine_test

import (
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

type server = sharetest.Server

// What other tests of this package use by shorter names.
var (
	startServer = sharetest.StartServer
	instance    = sharetest.Instance
	checkIn     = sharetest.CheckIn
	have        = sharetest.Have
	eventually  = sharetest.Eventually
)

// TestFaults: the store dies, is wiped, hangs, or cannot be reached by one server.
func TestFaults(t *testing.T) {
	type world struct {
		store *redisserver.Server
		gate  *redisserver.Gate // between the store and the second server
	}
	for name, fault := range map[string]func(world) sharetest.Fault{
		"killed, and starts empty": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.store.Kill, End: w.store.Restart, Away: true}
		},
		"wiped": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: func() { w.store.Do("FLUSHALL") }, End: func() {}}
		},
		"paused": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.store.Pause, End: w.store.Resume, Away: true}
		},
		"partitioned": func(w world) sharetest.Fault {
			return sharetest.Fault{Begin: w.gate.Shut, End: w.gate.Open, Away: true}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world{store: redisserver.Start(t)}
			w.gate = redisserver.StartGate(t, w.store.Address())
			addresses := []string{w.store.Address(), w.gate.Address(), w.store.Address()}
			sharetest.Survive(t, func(n int) share.Engine { return open(t, "redis://"+addresses[n], "") }, fault(w))
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
