package registry

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Incarnation is one start of an instance's agent. Of two incarnations at one address the
// higher one is the later start; what is said of a lower one no longer counts. The zero value
// means that whoever speaks for the instance does not know of incarnations.
//
// A server issues incarnations, each above every one that it has seen. Two servers that have not
// heard of each other may issue the same number, so each carries random bits that break the tie
// in the same way on every server. No clock is involved.
type Incarnation struct {
	number uint64
	random uint32
}

const (
	// maxIncarnation keeps the numbers far from overflowing.
	maxIncarnation = 1 << 62
	// maxIncarnationLead bounds how far a client may present a number above all that this
	// server has seen: a server that lost its data meets higher numbers than it issued, but one
	// call must not use up the numbers.
	maxIncarnationLead = 1 << 32
)

// IsZero reports whether i is no incarnation.
func (i Incarnation) IsZero() bool { return i == Incarnation{} }

// Compare returns -1, 0 or +1 as i is before, the same as, or after j.
func (i Incarnation) Compare(j Incarnation) int {
	return cmp.Or(cmp.Compare(i.number, j.number), cmp.Compare(i.random, j.random))
}

// String returns "7-9f86d081", and "" for the zero value.
func (i Incarnation) String() string {
	if i.IsZero() {
		return ""
	}
	return fmt.Sprintf("%d-%08x", i.number, i.random)
}

// ParseIncarnation reads what String writes.
func ParseIncarnation(text string) (Incarnation, error) {
	if text == "" {
		return Incarnation{}, nil
	}
	number, random, _ := strings.Cut(text, "-")
	n, err := strconv.ParseUint(number, 10, 64)
	r, err2 := strconv.ParseUint(random, 16, 32)
	i := Incarnation{n, uint32(r)}
	if err != nil || err2 != nil || n == 0 || n > maxIncarnation || i.String() != text {
		return Incarnation{}, fmt.Errorf("%.40q is no incarnation", text)
	}
	return i, nil
}

// MarshalText writes i as String does.
func (i Incarnation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (i *Incarnation) UnmarshalText(text []byte) error {
	parsed, err := ParseIncarnation(string(text))
	*i = parsed
	return err
}

// incarnations issues incarnations. It takes no lock.
type incarnations struct{ highest uint64 }

// seen makes sure that whatever is issued from now on is above i.
func (s *incarnations) seen(i Incarnation) { s.highest = max(s.highest, i.number) }

// issue returns an incarnation above every one that was seen or issued before.
func (s *incarnations) issue() Incarnation {
	s.highest = min(s.highest+1, maxIncarnation)
	return Incarnation{s.highest, rand.Uint32()}
}

// plausible reports whether a server can have issued i.
func (s *incarnations) plausible(i Incarnation) bool {
	return i.number <= s.highest || i.number-s.highest <= maxIncarnationLead
}
