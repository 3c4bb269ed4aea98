package redisengine_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/test/redisserver"
)

// TestForeignKeys: another program replaces one of doyen's keys, or makes it unusable. It is renamed and reported, and
// servers share everything within seconds.
func TestForeignKeys(t *testing.T) {
	for name, commands := range map[string][]string{
		"instances":            {"DEL doyen:{N}:instances", "SET doyen:{N}:instances theirs"},
		"version":              {"DEL doyen:{N}:version", "SET doyen:{N}:version theirs"},
		"changes":              {"DEL doyen:{N}:changes", "SET doyen:{N}:changes theirs"},
		"renewals":             {"DEL doyen:renewals", "SET doyen:renewals theirs"},
		"a full stream":        {"XADD doyen:{N}:changes 18446744073709551615-18446744073709551615 theirs x"},
		"a version too high":   {"HSET doyen:{N}:version number 9223372036854775807"},
		"a version of no sort": {"HSET doyen:{N}:version number x epoch " + strings.Repeat("e", 100)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store := redisserver.Start(t)
			url := "redis://" + store.Address()
			servers := []*server{startServer(t, open(t, url, "")), startServer(t, open(t, url, ""))}
			checkIn(t, servers[0], instance(1))
			have(t, servers, instance(1))
			shard := shardOf("users")
			for _, c := range commands {
				store.Do(strings.ReplaceAll(c, "N", shard))
			}
			checkIn(t, servers[0], instance(2))
			checkIn(t, servers[1], instance(3))
			have(t, servers, instance(1), instance(2), instance(3))
			late := startServer(t, open(t, url, ""))
			have(t, []*server{late}, instance(1), instance(2), instance(3))
			eventually(t, "all servers are connected", func() bool { return servers[0].Status().Connected && servers[1].Status().Connected })
			if !strings.HasPrefix(name, "a version") {
				eventually(t, "a server reports the key", func() bool {
					for _, f := range slices.Concat(servers[0].Status().Faults, servers[1].Status().Faults, late.Status().Faults) {
						if strings.HasPrefix(f.Key, "doyen:") && strings.Contains(f.Problem, ":foreign:") {
							return true
						}
					}
					return false
				})
				if kept := store.Do("KEYS *foreign*"); !strings.HasPrefix(kept, "*1") {
					t.Errorf("keys that were set aside: %s, want one", kept)
				}
			}
		})
	}
}

// shardOf is the shard of a service.
func shardOf(service mesh.ServiceName) string {
	return strconv.Itoa(registry.Shard(service, share.Shards))
}

// TestForeignKeyThatCannotBeRenamed: other shards go on, and the key is reported with what to do.
func TestForeignKeyThatCannotBeRenamed(t *testing.T) {
	users := filepath.Join(t.TempDir(), "users.acl")
	rules := "user default on nopass ~* &* +@all\nuser doyen on >secret ~doyen* resetchannels -@all +@connection +@hash +@stream +@scripting -script\n"
	if err := os.WriteFile(users, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"instances", "changes", "version"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			store := redisserver.Start(t, "--aclfile", users)
			url := "redis://doyen@" + store.Address()
			key := "doyen:{" + shardOf("users") + "}:" + kind
			store.Do("SET " + key + " theirs")
			servers := []*server{startServer(t, open(t, url, "secret")), startServer(t, open(t, url, "secret"))}
			other := instance(2)
			other.Service = "orders"
			checkIn(t, servers[0], instance(1))
			checkIn(t, servers[0], other)
			have(t, servers[:1], instance(1), other)
			eventually(t, "the other service is shared", func() bool { return servers[1].Snapshot().Instance(other.Key) != nil })
			eventually(t, "the key is reported", func() bool {
				status := servers[0].Status()
				return status.Connected && len(status.Faults) == 1 && status.Faults[0].Key == key && strings.Contains(status.Faults[0].Hint, "rename")
			})
			store.Do("DEL " + key)
			have(t, servers, instance(1), other)
		})
	}
}

// TestForeignKeyIsNamed also where no server runs: the error of the call names it.
func TestForeignKeyIsNamed(t *testing.T) {
	nodes := redisserver.StartCluster(t)
	engine := open(t, "redis+cluster://"+nodes[0].Address(), "")
	for _, node := range nodes { // whichever has the slot
		node.Try("SET doyen:renewals theirs")
	}
	broken := new(share.BrokenError)
	if err := engine.Renew(t.Context(), []byte("x")); !errors.As(err, &broken) || broken.Key != "doyen:renewals" || !broken.Mended {
		t.Errorf("%v, want the key, renamed within its slot", err)
	}
	if err := engine.Renew(t.Context(), []byte("x")); err != nil {
		t.Error(err)
	}
}
