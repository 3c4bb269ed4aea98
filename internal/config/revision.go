package config

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// sum is the sum of the digests of a set of documents, a number of 256 bits with the least significant word first. It does
// not depend on the order in which they are added, so a change costs one subtraction and one addition.
type sum [4]uint64

func (s sum) add(d digest) sum    { return s.combine(d, bits.Add64) }
func (s sum) remove(d digest) sum { return s.combine(d, bits.Sub64) }

func (s sum) combine(d digest, word func(x, y, carry uint64) (uint64, uint64)) sum {
	var carry uint64
	for i := range s {
		s[i], carry = word(s[i], binary.LittleEndian.Uint64(d[8*i:]), carry)
	}
	return s
}

// revision returns the name of a set of documents with that sum.
func (s sum) revision() mesh.Revision {
	var text []byte
	for _, word := range s {
		text = binary.LittleEndian.AppendUint64(text, word)
	}
	hash := sha256.Sum256(text)
	return mesh.Revision(hex.EncodeToString(hash[:6]))
}
