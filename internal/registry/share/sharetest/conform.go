package sharetest

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// patience is how long the suite waits for what an engine pushes.
const patience = 20 * time.Second

// Conform tests what every engine promises. empty returns an engine that has nothing.
func Conform(t *testing.T, empty func(*testing.T) share.Engine) {
	for name, test := range map[string]func(*testing.T, share.Engine){
		"later entries win":             laterEntriesWin,
		"writers at the same time":      writersAtTheSameTime,
		"versions count changes":        versionsCountChanges,
		"forget":                        forget,
		"watch":                         watch,
		"a watch ends with its context": watchEnds,
		"a whole shard":                 wholeShard,
		"renewals":                      renewals,
		"any bytes":                     anyBytes,
	} {
		t.Run(name, func(t *testing.T) { test(t, empty(t)) })
	}
}

// entry is an entry of a rank, in the order of n.
func entry(key string, n uint64) share.Entry {
	var rank registry.Rank
	binary.BigEndian.PutUint64(rank[:], n)
	return share.Entry{Key: key, Rank: rank, Value: fmt.Appendf(nil, "%s %d", key, n)}
}

func write(t *testing.T, e share.Engine, shard int, entries ...share.Entry) []share.Entry {
	t.Helper()
	newer, err := e.Write(t.Context(), shard, entries)
	if err != nil {
		t.Fatalf("write: %v", err)
	}
	return newer
}

// wantEntries checks what a shard has, and returns its version.
func wantEntries(t *testing.T, e share.Engine, shard int, want ...share.Entry) share.Version {
	t.Helper()
	got, version, err := e.Read(t.Context(), shard)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	byKey := func(a, b share.Entry) int { return strings.Compare(a.Key, b.Key) }
	slices.SortFunc(got, byKey)
	slices.SortFunc(want, byKey)
	if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
		t.Errorf("shard %d (-want +got):\n%s", shard, diff)
	}
	return version
}

func versions(t *testing.T, e share.Engine) [share.Shards]share.Version {
	t.Helper()
	all, err := e.Versions(t.Context())
	if err != nil {
		t.Fatalf("versions: %v", err)
	}
	return all
}

func laterEntriesWin(t *testing.T, e share.Engine) {
	write(t, e, 3, entry("a", 5), entry("b", 1))
	if newer := write(t, e, 3, entry("a", 4), entry("b", 2), entry("c", 1)); !cmp.Equal(newer, []share.Entry{entry("a", 5)}) {
		t.Errorf("newer entries: %v, want a 5", newer)
	}
	if newer := write(t, e, 3, entry("a", 5)); len(newer) > 0 {
		t.Errorf("newer than an equal entry: %v", newer)
	}
	wantEntries(t, e, 3, entry("a", 5), entry("b", 2), entry("c", 1))
	wantEntries(t, e, 4)
}

func writersAtTheSameTime(t *testing.T, e share.Engine) {
	var writers sync.WaitGroup
	for n := range uint64(8) {
		writers.Go(func() {
			for at := range uint64(20) {
				if _, err := e.Write(t.Context(), 0, []share.Entry{entry("a", at*8+n), entry(fmt.Sprint("own", n), at)}); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
	}
	writers.Wait()
	want := []share.Entry{entry("a", 159)}
	for n := range 8 {
		want = append(want, entry(fmt.Sprint("own", n), 19))
	}
	wantEntries(t, e, 0, want...)
}

func versionsCountChanges(t *testing.T, e share.Engine) {
	if v := versions(t, e)[2]; v != (share.Version{}) {
		t.Errorf("an empty shard has version %v", v)
	}
	write(t, e, 2, entry("a", 1), entry("b", 1))
	first := versions(t, e)[2]
	write(t, e, 2, entry("a", 1), entry("b", 0))
	if v := versions(t, e)[2]; v != first || v.Epoch == "" || v.Number != 2 {
		t.Errorf("version %v, then %v after a write that changed nothing: want 2 changes", first, v)
	}
	write(t, e, 2, entry("a", 2))
	if v := wantEntries(t, e, 2, entry("a", 2), entry("b", 1)); v != (share.Version{Epoch: first.Epoch, Number: 3}) {
		t.Errorf("version %v, want 3 of %s", v, first.Epoch)
	}
	write(t, e, 5, entry("z", 1))
	all := versions(t, e)
	if all[5].Number != 1 || all[2].Number != 3 || all[5].Epoch == all[2].Epoch {
		t.Errorf("versions %v and %v: want one change and three, of two epochs", all[5], all[2])
	}
}

func forget(t *testing.T, e share.Engine) {
	write(t, e, 1, entry("a", 1), entry("b", 1), entry("c", 1))
	before := versions(t, e)[1]
	if err := e.Forget(t.Context(), 1, []share.Entry{entry("a", 1), entry("b", 0), entry("d", 1)}); err != nil {
		t.Fatal(err)
	}
	if v := wantEntries(t, e, 1, entry("b", 1), entry("c", 1)); v != before {
		t.Errorf("version %v, and %v before", v, before)
	}
}

func watch(t *testing.T, e share.Engine) {
	write(t, e, 7, entry("before", 1))
	changes := make(chan share.Change, 1000)
	began := make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	defer watching.Wait()
	defer cancel()
	watching.Go(func() {
		err := e.Watch(ctx, func(some []share.Change) {
			if len(some) == 0 {
				close(began)
			}
			for _, c := range some {
				changes <- c
			}
		})
		if err != nil {
			t.Errorf("watch: %v", err)
		}
	})
	within(t, began, "the watch begins")
	want := map[int][]share.Entry{}
	for n := range uint64(30) {
		shard := []int{7, 0, share.Shards - 1}[n%3]
		some := []share.Entry{entry("a", n), entry("b", n)}
		write(t, e, shard, some...)
		write(t, e, shard, some...) // no change
		want[shard] = append(want[shard], some...)
	}
	got := map[int][]share.Entry{}
	last := map[int]share.Version{7: {Number: 1}}
	for range 60 {
		select {
		case c := <-changes:
			got[c.Shard] = append(got[c.Shard], c.Entry)
			if c.Number != last[c.Shard].Number+1 || c.Epoch == "" {
				t.Errorf("shard %d: version %v after %v", c.Shard, c.Version, last[c.Shard])
			}
			last[c.Shard] = c.Version
		case <-time.After(patience):
			t.Fatalf("changes are missing; got %v", got)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	now := versions(t, e)
	for shard, version := range last {
		if version != now[shard] {
			t.Errorf("shard %d: the last change has version %v, the shard has %v", shard, version, now[shard])
		}
	}
}

func watchEnds(t *testing.T, e share.Engine) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := e.Watch(ctx, func([]share.Change) { cancel() }); err != nil {
			t.Errorf("watch: %v", err)
		}
	}()
	within(t, ended, "the watch ends")
}

func within(t *testing.T, done <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%s: not within %v", what, patience)
	}
}

func wholeShard(t *testing.T, e share.Engine) {
	var want []share.Entry
	for n := range 10 {
		var some []share.Entry
		for m := range share.MaxEntries {
			some = append(some, entry(fmt.Sprintf("users 10.0.%d.%d:80", n, m), uint64(m)))
		}
		write(t, e, 9, some...)
		want = append(want, some...)
	}
	if v := wantEntries(t, e, 9, want...); v.Number != uint64(len(want)) {
		t.Errorf("version %v after %d changes", v, len(want))
	}
}

func renewals(t *testing.T, e share.Engine) {
	read := func(after string, want ...string) string {
		t.Helper()
		got, next, err := e.Renewals(t.Context(), after)
		if err != nil {
			t.Fatalf("renewals: %v", err)
		}
		if diff := cmp.Diff(want, texts(got)); diff != "" {
			t.Errorf("renewals after %q (-want +got):\n%s", after, diff)
		}
		return next
	}
	add := func(text string) {
		t.Helper()
		if err := e.Renew(t.Context(), []byte(text)); err != nil {
			t.Fatalf("renew: %v", err)
		}
	}
	first := read("")
	add("one")
	add("two")
	second := read(first, "one", "two")
	read(second)
	add("three")
	read(second, "three")
	read(first, "one", "two", "three")
	read(read(""))
}

func texts(all [][]byte) (found []string) {
	for _, b := range all {
		found = append(found, string(b))
	}
	return found
}

func anyBytes(t *testing.T, e share.Engine) {
	all := entry("a \x00\n\"'{}\xff", 1)
	for n := range all.Rank {
		all.Rank[n] = byte(n * 7)
	}
	all.Value = nil
	for n := range 256 {
		all.Value = append(all.Value, byte(n))
	}
	empty := entry("", 1)
	empty.Value = []byte{}
	write(t, e, 0, all, empty)
	wantEntries(t, e, 0, all, empty)
	higher, lower := all, all
	higher.Rank[30]++
	lower.Rank[30]--
	if newer := write(t, e, 0, lower); !cmp.Equal(newer, []share.Entry{all}) {
		t.Errorf("a lower rank: newer is %v", newer)
	}
	write(t, e, 0, higher)
	wantEntries(t, e, 0, higher, empty)
}
