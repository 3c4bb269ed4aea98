package share_test

import (
	"bytes"
	"context"
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
