package xds

import (
	"iter"
	"slices"
	"strings"
)

// A table is an immutable set of resources of one type, sorted by name. Changing it
// yields another table that shares all chunks without a change, so old and new differ
// by what changed and every state some client still holds costs only that. The garbage
// collector counts the references.
type table struct {
	chunks [][]*Resource // none empty
	count  int
	sum    setSum
	// further is the index of the names that resources have besides their own; nil when they have none.
	further *table
}

// chunkSize is the number of resources copied when one of them changes.
const chunkSize = 64

var emptyTable = &table{}

// change is one name of which the content is now another. A nil resource is absence.
type change struct {
	name     string
	old, new *Resource
}

// size is about what the change takes in a response, in bytes.
func (ch change) size() int {
	size := len(ch.name) + resourceOverhead
	if ch.new == nil {
		return size + errorSize(ch.name)
	}
	return size + len(ch.new.wire)
}

// newTable sorts resources by name. Of two with one name the last counts.
func newTable(resources []*Resource) *table {
	changes := make([]change, len(resources))
	for i, r := range resources {
		changes[i] = change{name: r.name, new: r}
	}
	return emptyTable.with(changes)
}

// get returns the resource of a canonical name, or nil.
func (t *table) get(name string) *Resource {
	i, found := slices.BinarySearchFunc(t.chunks, name, compareFirst)
	if found {
		return t.chunks[i][0]
	}
	if i == 0 {
		return nil
	}
	c := t.chunks[i-1]
	if j, found := slices.BinarySearchFunc(c, name, compareName); found {
		return c[j]
	}
	return nil
}

func compareFirst(chunk []*Resource, name string) int { return strings.Compare(chunk[0].name, name) }

func compareChange(ch change, name string) int { return strings.Compare(ch.name, name) }

func compareName(r *Resource, name string) int { return strings.Compare(r.name, name) }

// all yields the resources by name.
func (t *table) all() iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for _, c := range t.chunks {
			for _, r := range c {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// from yields the resources whose names are not below name.
func (t *table) from(name string) iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		i, found := slices.BinarySearchFunc(t.chunks, name, compareFirst)
		if !found && i > 0 {
			i-- // the chunk that name would be in
		}
		for ; i < len(t.chunks); i++ {
			c := t.chunks[i]
			start, _ := slices.BinarySearchFunc(c, name, compareName)
			for _, r := range c[start:] {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// with returns the table after changes, of which only name and new are looked at.
// Of two changes of one name the last counts.
func (t *table) with(changes []change) *table {
	if len(changes) == 0 {
		return t
	}
	changes = sortedChanges(changes)
	b := builder{chunks: make([][]*Resource, 0, len(t.chunks)+len(changes)/chunkSize+1), sum: t.sum, count: t.count}
	for i, c := range t.chunks {
		mine := changes
		if i+1 < len(t.chunks) {
			next := t.chunks[i+1][0].name
			n, _ := slices.BinarySearchFunc(changes, next, compareChange)
			mine = changes[:n]
		}
		changes = changes[len(mine):]
		if len(mine) == 0 {
			b.chunks = append(b.chunks, c)
			continue
		}
		b.add(b.merge(c, mine))
	}
	if len(changes) > 0 {
		b.add(b.merge(nil, changes))
	}
	return b.table(t.further)
}

// sortedChanges returns changes by name, one a name, the last one.
func sortedChanges(changes []change) []change {
	strictly := true
	for i := 1; i < len(changes); i++ {
		if changes[i-1].name >= changes[i].name {
			strictly = false
			break
		}
	}
	if strictly {
		return changes
	}
	changes = slices.Clone(changes)
	slices.SortStableFunc(changes, func(a, b change) int { return strings.Compare(a.name, b.name) })
	kept := changes[:0]
	for i, c := range changes {
		if i+1 < len(changes) && changes[i+1].name == c.name {
			continue
		}
		kept = append(kept, c)
	}
	return kept
}

// withIndex is with for an index, which is nil when it is empty.
func (t *table) withIndex(changes []change) *table {
	if len(changes) == 0 {
		return t
	}
	if t == nil {
		t = emptyTable
	}
	if t = t.with(changes); t.count == 0 {
		return nil
	}
	return t
}

// builder collects the chunks of a new table.
type builder struct {
	chunks [][]*Resource
	count  int
	sum    setSum
	index  []change // to the index of further names
}

// merge returns the resources of chunk after changes and counts them in.
func (b *builder) merge(chunk []*Resource, changes []change) []*Resource {
	merged := make([]*Resource, 0, len(chunk)+len(changes))
	for _, c := range changes {
		for len(chunk) > 0 && chunk[0].name < c.name {
			merged = append(merged, chunk[0])
			chunk = chunk[1:]
		}
		var old *Resource
		if len(chunk) > 0 && chunk[0].name == c.name {
			old, chunk = chunk[0], chunk[1:]
		}
		if c.new != nil {
			merged = append(merged, c.new)
		}
		b.replace(old, c.new)
	}
	return append(merged, chunk...)
}

// replace counts that old was replaced by r. Either may be nil.
func (b *builder) replace(old, r *Resource) {
	if old != nil {
		b.sum, b.count = b.sum.remove(old), b.count-1
	}
	if r != nil {
		b.sum, b.count = b.sum.add(r), b.count+1
	}
	if old.hasFurther() || r.hasFurther() {
		b.index = append(b.index, changesOfIndex(old, r)...)
	}
}

// table returns the new table, given the index of the old one.
func (b *builder) table(further *table) *table {
	return &table{chunks: b.chunks, count: b.count, sum: b.sum, further: further.withIndex(b.index)}
}

// add appends resources in chunks that are neither too large nor, next to each other, tiny.
func (b *builder) add(resources []*Resource) {
	if n := len(b.chunks); n > 0 && len(b.chunks[n-1])+len(resources) <= chunkSize/2 {
		resources = slices.Concat(b.chunks[n-1], resources)
		b.chunks = b.chunks[:n-1]
	}
	if len(resources) <= 2*chunkSize {
		if len(resources) > 0 {
			b.chunks = append(b.chunks, slices.Clip(resources))
		}
		return
	}
	for c := range slices.Chunk(resources, chunkSize) {
		b.chunks = append(b.chunks, c)
	}
}

// cursor walks the resources of a table in order.
type cursor struct {
	chunks [][]*Resource
	at     int
}

func (c *cursor) head() *Resource {
	if len(c.chunks) == 0 {
		return nil
	}
	return c.chunks[0][c.at]
}

func (c *cursor) next() *Resource {
	r := c.head()
	if c.at++; c.at == len(c.chunks[0]) {
		c.chunks, c.at = c.chunks[1:], 0
	}
	return r
}

// skipShared moves both cursors past chunks that the tables share.
func skipShared(a, b *cursor) {
	for a.at == 0 && b.at == 0 && len(a.chunks) > 0 && len(b.chunks) > 0 &&
		len(a.chunks[0]) == len(b.chunks[0]) && &a.chunks[0][0] == &b.chunks[0][0] {
		a.chunks, b.chunks = a.chunks[1:], b.chunks[1:]
	}
}

// changes yields by name where t and to differ in content. It costs what the two do not share.
func (t *table) changes(to *table) iter.Seq[change] { return t.differences(to, sameContent) }

// replacements is changes with those resources besides of which only the references differ, which clients
// are not sent.
func (t *table) replacements(to *table) iter.Seq[change] {
	return t.differences(to, func(a, b *Resource) bool {
		return sameContent(a, b) && slices.Equal(a.references, b.references)
	})
}

// differences yields by name where t and to are not the same.
func (t *table) differences(to *table, same func(a, b *Resource) bool) iter.Seq[change] {
	return func(yield func(change) bool) {
		if t == to {
			return
		}
		a, b := cursor{chunks: t.chunks}, cursor{chunks: to.chunks}
		for {
			skipShared(&a, &b)
			old, fresh := a.head(), b.head()
			var c change
			switch {
			case old == nil && fresh == nil:
				return
			case fresh == nil || old != nil && old.name < fresh.name:
				c = change{name: old.name, old: a.next()}
			case old == nil || fresh.name < old.name:
				c = change{name: fresh.name, new: b.next()}
			default:
				c = change{name: old.name, old: a.next(), new: b.next()}
			}
			if c.old != c.new && !same(c.old, c.new) && !yield(c) {
				return
			}
		}
	}
}
