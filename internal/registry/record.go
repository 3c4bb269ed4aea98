package registry

import (
	"cmp"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
)

// Record is what one server says to others about one instance: its description, or how it ended, or an operator's order
// about it, which is a record of its own.
// Records of one key have a total order ([Record.Compare]), and merging two of them means to take the
// later one ([Merge]). So servers that have heard the same records, in any order and any number of
// times, hold the same.
type Record struct {
	// Instance is described in full unless Ended says that it is gone. Then only its Key, Incarnation,
	// Sequence and Revival count.
	Instance *Instance
	Ended    Ending
	// Order makes it the record of an [Order]. Then only the Instance's Key, Reason and Sequence, which is the order's
	// version, count, and Lapsed says that the order was taken back.
	Order bool
}

// Ending says how an instance ended.
type Ending uint8

// The ways in which an instance ends.
const (
	// Present: it has not ended.
	Present Ending = iota
	// Lapsed: a server stopped believing in this version of the instance, because its lease ended or
	// because a later incarnation has one of its addresses. A later version, or the same one that was
	// heard again since ([Instance.Revival]), ends the lapse.
	Lapsed
	// Departed: this incarnation said goodbye, and every one before it is gone too. Only a later
	// incarnation follows.
	Departed
)

// Problems returns what is wrong with a record, except with how an instance ended.
func (a Record) Problems() []Problem {
	switch {
	case a.Order:
		return a.order().problems()
	case a.Ended == Present:
		return a.Instance.Problems()
	}
	return nil
}

// Compare returns -1, 0 or +1 as a is before, the same as, or after b. Both are of one key, and both of orders or neither. It looks,
// in this order, at the incarnation, whether it departed, the sequence, how often the instance was heard
// again after a lapse, and whether it lapsed. Two descriptions of one version, which servers may accept
// at the same time from callers that know of no incarnations, are told apart by a hash.
func (a Record) Compare(b Record) int {
	i, j := a.Instance, b.Instance
	if order := cmp.Or(i.Incarnation.Compare(j.Incarnation), compareFlags(a.Ended == Departed, b.Ended == Departed)); order != 0 || a.Ended == Departed {
		return order
	}
	order := cmp.Or(cmp.Compare(i.Sequence, j.Sequence), cmp.Compare(i.Revival, j.Revival), cmp.Compare(a.Ended, b.Ended))
	if order != 0 || a.Ended == Lapsed || i == j || i.Equal(j) {
		return order
	}
	return cmp.Compare(i.digest(), j.digest())
}

// Merge returns the later of two records of one key. It is commutative, associative and idempotent.
func Merge(a, b Record) Record {
	if a.Compare(b) < 0 {
		return b
	}
	return a
}

// Rank is a record's place in the order of its key's records, for those who store records without
// understanding them: of two records the later one has the greater rank, byte by byte.
type Rank [rankSize]byte

// rankSize is the number of bytes of a rank: two numbers of an incarnation, departed, sequence, revival,
// lapsed, and the hash of the description.
const rankSize = VersionSize + 8

// VersionSize is the number of bytes of a [Rank] that order versions: all but the hash of the description.
const VersionSize = 8 + 4 + 1 + 8 + 8 + 1

// Ended reports whether the rank is of a record that says how an instance ended.
func (r Rank) Ended() bool { return r[12] == 1 || r[VersionSize-1] == 1 }

// Rank returns a's rank.
func (a Record) Rank() Rank {
	rank := a.VersionRank()
	if a.Ended == Present {
		binary.BigEndian.PutUint64(rank[VersionSize:], a.Instance.digest())
	}
	return rank
}

// VersionRank returns a's rank without the hash of the description, which costs the most.
func (a Record) VersionRank() (rank Rank) {
	i := a.Instance
	binary.BigEndian.PutUint64(rank[0:], i.Incarnation.number)
	binary.BigEndian.PutUint32(rank[8:], i.Incarnation.random)
	if a.Ended == Departed {
		rank[12] = 1
		return rank
	}
	binary.BigEndian.PutUint64(rank[13:], i.Sequence)
	binary.BigEndian.PutUint64(rank[21:], i.Revival)
	if a.Ended == Lapsed {
		rank[29] = 1
	}
	return rank
}

func compareFlags(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	default:
		return -1
	}
}

// digest is a hash of the description, the same on every server.
func (i *Instance) digest() uint64 {
	h := fnv.New64a()
	number := func(n uint64) { _ = binary.Write(h, binary.BigEndian, n) }
	text := func(s string) {
		number(uint64(len(s)))
		_, _ = h.Write([]byte(s))
	}
	for _, s := range []string{string(i.Service), i.Socket().String(), string(i.Zone), string(i.State), i.Reason, i.Identity, i.Proxy} {
		text(s)
	}
	number(uint64(i.Weight))
	number(uint64(i.Lease))
	for _, name := range slices.Sorted(maps.Keys(i.Ports)) {
		text(string(name))
		number(uint64(i.Ports[name]))
	}
	number(uint64(len(i.Ports)))
	for _, name := range slices.Sorted(maps.Keys(i.Tags)) {
		text(name)
		text(i.Tags[name])
	}
	return h.Sum64()
}
