package registry_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// recordFrom makes a record of one key from five bytes. Few values occur, so that records often agree in
// a part of what orders them.
func recordFrom(t testing.TB, b []byte) registry.Record {
	t.Helper()
	i := instance("users", 1).WithDefaults()
	incarnation, err := registry.ParseIncarnation([]string{"1-00000000", "1-00000001", "2-00000000"}[b[0]%3])
	if err != nil {
		t.Fatal(err)
	}
	i.Incarnation, i.Sequence, i.Revival = incarnation, uint64(b[1]%3), uint64(b[2]%3)
	i.Weight = 1 + uint32(b[3]%3)
	return registry.Record{Instance: &i, Ended: registry.Ending(b[4] % 3)}
}

// sameRecord reports whether two records say the same. What a description was does not matter once it ended.
func sameRecord(a, b registry.Record) bool {
	if a.Ended != b.Ended || a.Compare(b) != 0 {
		return false
	}
	return a.Ended != registry.Present || a.Instance.Equal(b.Instance)
}

// FuzzMerge merges the same records in two orders, some of them several times.
func FuzzMerge(f *testing.F) {
	f.Add([]byte{0, 1, 0, 1, 0, 0, 1, 0, 2, 0, 0, 1, 0, 1, 1, 1, 0, 0, 0, 2}, uint64(1))
	f.Add([]byte{2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 0}, uint64(2))
	random := rand.New(rand.NewPCG(1, 2))
	for seed := range uint64(200) {
		text := make([]byte, 5*(1+random.IntN(12)))
		for n := range text {
			text[n] = byte(random.Uint32())
		}
		f.Add(text, seed)
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		var records []registry.Record
		for ; len(text) >= 5 && len(records) < 50; text = text[5:] {
			records = append(records, recordFrom(t, text))
		}
		if len(records) == 0 {
			return
		}
		for _, a := range records {
			for _, b := range records {
				checkPair(t, a, b)
			}
		}
		merged := records[0]
		for _, r := range records[1:] {
			merged = registry.Merge(merged, r)
		}
		random := rand.New(rand.NewPCG(seed, 0))
		other := records[random.IntN(len(records))]
		for range 3 { // three rounds: what was merged before changes nothing
			for _, at := range random.Perm(len(records)) {
				other = registry.Merge(records[at], other)
			}
		}
		if !sameRecord(merged, other) {
			t.Errorf("merged to %+v %v in one order, and to %+v %v in another", merged.Instance, merged.Ended, other.Instance, other.Ended)
		}
	})
}

// checkPair checks that the order and the rank of two records agree.
func checkPair(t *testing.T, a, b registry.Record) {
	t.Helper()
	rankA, rankB := a.Rank(), b.Rank()
	order := a.Compare(b)
	if order != -b.Compare(a) || order != bytes.Compare(rankA[:], rankB[:]) {
		t.Errorf("%+v %v and %+v %v: order %d, %d the other way round, and %d by rank",
			a.Instance, a.Ended, b.Instance, b.Ended, order, b.Compare(a), bytes.Compare(rankA[:], rankB[:]))
	}
	if !sameRecord(registry.Merge(a, b), registry.Merge(b, a)) {
		t.Errorf("%+v %v and %+v %v merge differently in the two orders", a.Instance, a.Ended, b.Instance, b.Ended)
	}
}

// TestOrderOfRecords lists records of one key, each later than the one before.
func TestOrderOfRecords(t *testing.T) {
	type r struct {
		incarnation       string
		sequence, revival uint64
		ended             registry.Ending
	}
	var before registry.Record
	for n, row := range []r{
		{"1-00000000", 1, 0, registry.Present},
		{"1-00000000", 1, 0, registry.Lapsed},
		{"1-00000000", 1, 1, registry.Present}, // heard again
		{"1-00000000", 1, 1, registry.Lapsed},
		{"1-00000000", 2, 0, registry.Present}, // described anew
		{"1-00000000", 1, 9, registry.Departed},
		{"1-00000001", 1, 0, registry.Present}, // issued by another server at the same time
		{"2-00000000", 1, 0, registry.Present},
		{"2-00000000", 0, 0, registry.Departed},
	} {
		i := instance("users", 1).WithDefaults()
		i.Incarnation, _ = registry.ParseIncarnation(row.incarnation)
		i.Sequence, i.Revival = row.sequence, row.revival
		record := registry.Record{Instance: &i, Ended: row.ended}
		if n > 0 && (before.Compare(record) != -1 || !sameRecord(registry.Merge(record, before), record)) {
			t.Errorf("row %d is not after the row before it", n)
		}
		before = record
	}
}
