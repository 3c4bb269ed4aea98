package registry

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// Incarnation identifies one start of an instance's agent. Of two incarnations at one address, the higher one is the
// later start, and what the lower one says does not count any more. The zero value means that the caller does not use
// incarnations.
//
// A server issues incarnations, each above every one that it has seen. Two servers that do not know of each other may
// issue the same number, so each incarnation also has random bits, which break the tie in the same way on every
// server. No clock is involved.
type Incarnation struct {
	number uint64
	random uint32
}

const (
	// maxIncarnation prevents overflows.
	maxIncarnation = 1 << 62
	// maxIncarnationLead limits how far the number of a client may be above all that this server has seen. A server
	// that lost its data sees higher numbers than it has issued, but a single call must not use up the numbers.
	maxIncarnationLead = 1 << 32
)

// MaxSequence is the highest [Instance.Sequence] and [Instance.Revival], so that there always is a next one to compute
// with.
const MaxSequence = 1 << 62

// IsZero reports whether i is the zero value.
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

// ParseIncarnation parses the result of String.
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

// MarshalText returns what String does.
func (i Incarnation) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText parses what MarshalText returns.
func (i *Incarnation) UnmarshalText(text []byte) error {
	parsed, err := ParseIncarnation(string(text))
	*i = parsed
	return err
}

// incarnations issues incarnations. It takes no lock.
type incarnations struct{ highest uint64 }

// seen ensures that incarnations issued from now on are above i.
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
