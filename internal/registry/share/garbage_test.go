package share_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
	"github.com/doyen-mesh/doyen/internal/registry/share/sharetest"
)

// TestGarbageInTheEngine: what is no record of this shard changes nothing, and hides nothing.
func TestGarbageInTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		engine := sharetest.NewMemory()
		servers := []*server{start(t, engine), start(t, engine)}
		i := instance("users", 1)
		checkIn(t, servers[0], i)
		synctest.Wait()
		own := registry.Shard("users", share.Shards)
		entries, _, err := engine.Read(t.Context(), own)
		if err != nil {
			t.Fatal(err)
		}
		garbage := []share.Entry{{}, {Key: "users 10.9.9.9:80", Value: []byte("{}")}, {Key: "\x00", Value: make([]byte, 2*share.MaxValue)}}
		for shard := range share.Shards {
			some := garbage
			if shard != own {
				some = append(some, entries...) // a copy in another shard
			}
			if _, err := engine.Write(t.Context(), shard, some); err != nil {
				t.Fatal(err)
			}
		}
		if err := engine.Renew(t.Context(), []byte("x\nusers 10.0.0.1:80 1-00000000 \n\x00")); err != nil {
			t.Fatal(err)
		}
		j := instance("orders", 1)
		checkIn(t, servers[1], j)
		servers = append(servers, start(t, engine))
		time.Sleep(heals)
		have(t, servers, i, j)
		for n, s := range servers {
			if s.Status().Refused == 0 {
				t.Errorf("server %d does not say that it refused entries", n)
			}
		}
	})
}

// bounded is an engine that hangs after many writes, so that a test of a loop ends.
type bounded struct {
	share.Engine
	writes atomic.Int32
}

func (b *bounded) Write(ctx context.Context, shard int, entries []share.Entry) ([]share.Entry, error) {
	if b.writes.Add(1) > 1000 {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return b.Engine.Write(ctx, shard, entries)
}

// TestRankThatIsTooHigh: the engine and the registry disagree about which of two descriptions of one version is the
// later one. The server must not write its own again and again.
func TestRankThatIsTooHigh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := sharetest.NewMemory()
		engine := &bounded{Engine: memory}
		s := start(t, engine)
		i := instance("users", 1)
		checkIn(t, s, i)
		synctest.Wait()
		shard := registry.Shard("users", share.Shards)
		entries, _, err := memory.Read(t.Context(), shard)
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		entry := entries[0]
		other := *s.Snapshot().Instance(i.Key)
		for other.Weight = 1; ; other.Weight++ {
			if rank := (registry.Record{Instance: &other}).Rank(); bytes.Compare(rank[:], entry.Rank[:]) < 0 {
				break
			}
		}
		entry.Value = bytes.Replace(entry.Value, []byte(`"weight":100`), fmt.Appendf(nil, `"weight":%d`, other.Weight), 1)
		for n := registry.VersionSize; n < len(entry.Rank); n++ {
			entry.Rank[n] = 0xff
		}
		before := engine.writes.Load()
		if _, err := memory.Write(t.Context(), shard, []share.Entry{entry}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(heals)
		synctest.Wait()
		if writes := engine.writes.Load() - before; writes > 10 {
			t.Errorf("%d writes in %v", writes, heals)
		}
	})
}

// TestEntriesThatNoServerWrote: whatever their rank, a server that knows the instance writes over them. What a later
// release may have written stays.
func TestEntriesThatNoServerWrote(t *testing.T) {
	highest := registry.Rank{}
	for n := range highest {
		highest[n] = 0xff
	}
	for name, test := range map[string]struct {
		change func(*share.Entry)
		stays  bool
	}{
		"no JSON":                  {func(e *share.Entry) { e.Rank, e.Value = highest, []byte("?") }, false},
		"no incarnation":           {func(e *share.Entry) { e.Rank, e.Value = highest, []byte("{}") }, false},
		"a rank of another value":  {func(e *share.Entry) { e.Rank = highest }, false},
		"a value that is too long": {func(e *share.Entry) { e.Rank, e.Value = highest, make([]byte, share.MaxValue+1) }, false},
		"a sequence above all": {func(e *share.Entry) {
			binary.BigEndian.PutUint64(e.Rank[13:], 1<<63)
			e.Value = bytes.Replace(e.Value, []byte(`"sequence":1`), []byte(`"sequence":9223372036854775808`), 1)
		}, false},
		"an incarnation far above all": {func(e *share.Entry) {
			number := binary.BigEndian.Uint64(e.Rank[:])
			binary.BigEndian.PutUint64(e.Rank[:], 1<<40)
			e.Value = bytes.Replace(e.Value, fmt.Appendf(nil, `"incarnation":"%d-`, number), fmt.Appendf(nil, `"incarnation":"%d-`, 1<<40), 1)
		}, false},
		"a state of a later release": {func(e *share.Entry) {
			e.Rank[20]++
			e.Value = bytes.Replace(e.Value, []byte(`"sequence":1`), []byte(`"sequence":2`), 1)
			e.Value = bytes.Replace(e.Value, []byte(`"state":"healthy"`), []byte(`"state":"hibernating"`), 1)
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				engine := sharetest.NewMemory()
				servers := []*server{start(t, engine), start(t, engine)}
				i := instance("users", 1)
				checkIn(t, servers[0], i)
				synctest.Wait()
				shard := registry.Shard("users", share.Shards)
				entries, _, err := engine.Read(t.Context(), shard)
				if err != nil || len(entries) != 1 {
					t.Fatal(entries, err)
				}
				wrong := entries[0]
				test.change(&wrong)
				if bytes.Equal(wrong.Value, entries[0].Value) && wrong.Rank == entries[0].Rank {
					t.Fatalf("the entry is unchanged: %s", wrong.Value)
				}
				if _, err := engine.Write(t.Context(), shard, []share.Entry{wrong}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(heals)
				synctest.Wait()
				if faults := servers[0].Status().Faults; len(faults) != 1 || faults[0].Problem == "" || faults[0].Hint == "" {
					t.Errorf("faults: %+v, want the entry with what to do", faults)
				}
				have(t, servers, i)
				entries, _, err = engine.Read(t.Context(), shard)
				if err != nil || len(entries) != 1 || (entries[0].Rank == wrong.Rank) != test.stays {
					t.Errorf("the engine has %+v, %v", entries, err)
				}
				time.Sleep(10 * time.Minute)
				if faults := servers[0].Status().Faults; !test.stays && len(faults) > 0 {
					t.Errorf("faults long after they were mended: %+v", faults)
				}
			})
		})
	}
}

// partly is an engine one of whose shards is broken.
type partly struct {
	share.Engine
	shard atomic.Int32
	calls atomic.Int32
}

func (p *partly) broken(shard int) error {
	if shard == int(p.shard.Load()) {
		p.calls.Add(1)
		return &share.BrokenError{Key: "the key", Problem: "it is broken", Hint: "mend it"}
	}
	return nil
}

func (p *partly) Write(ctx context.Context, shard int, entries []share.Entry) ([]share.Entry, error) {
	if err := p.broken(shard); err != nil {
		return nil, err
	}
	return p.Engine.Write(ctx, shard, entries)
}

func (p *partly) Read(ctx context.Context, shard int) ([]share.Entry, share.Version, error) {
	if err := p.broken(shard); err != nil {
		return nil, share.Version{}, err
	}
	return p.Engine.Read(ctx, shard)
}

// TestBrokenShard: the other shards are shared, and the store counts as connected.
func TestBrokenShard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := sharetest.NewMemory()
		engine := &partly{Engine: memory}
		engine.shard.Store(int32(registry.Shard("users", share.Shards)))
		servers := []*server{start(t, engine), start(t, engine)}
		broken, whole := instance("users", 1), instance("orders", 1)
		if registry.Shard("orders", share.Shards) == registry.Shard("users", share.Shards) {
			t.Fatal("both services are in one shard")
		}
		checkIn(t, servers[0], broken)
		checkIn(t, servers[0], whole)
		time.Sleep(heals)
		have(t, servers[:1], broken, whole)
		have(t, servers[1:], whole)
		status := servers[0].Status()
		if !status.Connected || status.Unwritten != 1 || len(status.Faults) != 1 || status.Faults[0].Key != "the key" {
			t.Errorf("status %+v, want connected, the fault, and one change unwritten", status)
		}
		if calls := engine.calls.Load(); calls > 60 {
			t.Errorf("%d calls for a broken shard in %v", calls, heals)
		}
		engine.shard.Store(-1)
		time.Sleep(heals)
		have(t, servers, broken, whole)
	})
}
