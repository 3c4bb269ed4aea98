package xds

import "slices"

// A step is a way from one table towards another that ends between the two: up to some name
// everything is as in the second table, after it as in the first. The table in between shares
// the chunks of both, so that a large difference can be sent in parts of which each costs only
// what is in it.
type step struct {
	from, to *table
	last     string // of the changes that were passed
	passed   bool
	builder
}

func (t *table) stepTo(to *table) *step {
	return &step{from: t, to: to, builder: builder{count: t.count, sum: t.sum}}
}

// pass takes the next change from one table to the other.
func (s *step) pass(ch change) {
	s.replace(ch.old, ch.new)
	s.last, s.passed = ch.name, true
}

// table returns the table in between.
func (s *step) table() *table {
	if !s.passed {
		return s.from
	}
	head, part := s.to.split(s.last)
	s.chunks = append(make([][]*Resource, 0, len(head)+len(s.from.chunks)+2), head...)
	s.add(part)
	done, part := s.from.split(s.last)
	rest := s.from.chunks[len(done):]
	if len(part) > 0 {
		s.add(rest[0][len(part):])
		rest = rest[1:]
	}
	s.chunks = append(s.chunks, rest...)
	return s.builder.table(s.from.further)
}

// split returns the chunks that have only names up to last, and those resources of the next
// chunk that do.
func (t *table) split(last string) (whole [][]*Resource, part []*Resource) {
	i, _ := slices.BinarySearchFunc(t.chunks, last, func(c []*Resource, last string) int {
		if c[len(c)-1].name <= last {
			return -1
		}
		return 1
	})
	if i < len(t.chunks) {
		n, found := slices.BinarySearchFunc(t.chunks[i], last, compareName)
		if found {
			n++
		}
		part = t.chunks[i][:n]
	}
	return t.chunks[:i], part
}
