package fleet

import (
	"hash/maphash"
	"math/bits"
)

// held is what one client has of one type: a sum of name, version and body for each index, 0 for
// what it does not have.
type held struct {
	sums  []uint64
	count int
	want  int
}

func newHeld(slots, want int) held { return held{sums: make([]uint64, slots), want: want} }

func (h *held) complete() bool { return h.count == h.want }

// put says whether there was something at index before.
func (h *held) put(index int, sum uint64) (replaced bool) {
	replaced = h.sums[index] != 0
	h.sums[index] = sum
	if !replaced {
		h.count++
	}
	return replaced
}

func (h *held) remove(index int) {
	if h.sums[index] != 0 {
		h.sums[index] = 0
		h.count--
	}
}

func (h *held) clear() {
	clear(h.sums)
	h.count = 0
}

// summer makes sums; all clients of a fleet use the same seed, so equal sums mean equal resources.
type summer struct{ seed maphash.Seed }

// sum is never 0. The version is empty in state-of-the-world, where resources have none.
func (s summer) sum(name, version, body []byte) uint64 {
	sum := maphash.Bytes(s.seed, body)
	sum ^= bits.RotateLeft64(maphash.Bytes(s.seed, version), 21)
	sum ^= bits.RotateLeft64(maphash.Bytes(s.seed, name), 42)
	return max(sum, 1)
}
