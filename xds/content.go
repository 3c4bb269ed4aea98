package xds

import (
	"hash/maphash"
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// content is what a subscription contained at one moment. It is immutable, so a stream that
// remembers one remembers exactly what its client was sent. What was computed towards it
// (differences, bodies) hangs on it and is shared by all streams; it goes with the content.
type content struct {
	*table
	position  uint64   // of the pool's publication that brought it
	undecided []string // canonical names, sorted, of which it is not known yet whether they exist
	bodies    bodies   // of the whole, for state-of-the-world

	mu          sync.Mutex // guards writing of the lists below
	differences atomic.Pointer[[]*difference]
	derived     atomic.Pointer[[]*content]
}

// version is what the client is told: the version of the whole type. It is of the resources alone, without what a
// state-of-the-world client may still have from before, so that any server recognizes it.
func (c *content) version() string {
	if len(c.chunks) > 0 && c.chunks[0][0].name <= unknownState { // as hardly any name is
		if unknown := c.get(unknownState); unknown.isUnknownState() {
			return c.sum.remove(unknown).version()
		}
	}
	return c.sum.version()
}

// nothing is what a client has before it was sent anything.
func nothing() *content { return &content{table: emptyTable} }

// keptPerContent bounds how many differences, and how many derived contents, one content remembers.
const keptPerContent = 16

// A difference is the changes of one response, and the bodies encoded from it.
type difference struct {
	key     differenceKey
	changes []change // by name; new == nil: removed
	added   int      // of changes, those that are not removals
	size    int      // in bytes, about
	needs   bool     // some change may have to wait for another type
	grows   bool     // some resource refers to what its predecessor did not refer to
	leaves  bool     // some resource does not refer to all that its predecessor referred to
	own     bool     // some resource refers to its own type
	claims  bool     // some resource is unknown: the client had it when it connected
	version string   // of the whole type once this is applied
	result  *content // what a client has once this is applied; nil when it was put together for a stream
	bodies  bodies
}

// differenceKey identifies a difference towards one content: by what it starts from, or,
// when it was put together for a stream, by the changes themselves.
type differenceKey struct {
	from, custom        setSum
	isCustom, isPartial bool
}

// since returns what a client that has from must be sent to have c. It is remembered for
// other streams if shared.
func (c *content) since(from *content, shared bool) *difference {
	return c.difference(from, shared, math.MaxInt)
}

// firstSince returns the first part, by name, of since: what goes into one response (C086). Its
// result shares with c what is done, so that the next part is found without walking through it.
func (c *content) firstSince(from *content, shared bool) *difference {
	return c.difference(from, shared, maxResponse)
}

// difference returns the first changes that lead from a content to c, about limit bytes of them.
func (c *content) difference(from *content, shared bool, limit int) *difference {
	key := differenceKey{from: from.sum}
	if d := c.knownDifference(key); d != nil && d.size <= limit {
		return d
	}
	partial := differenceKey{from: from.sum, isPartial: true}
	if limit < math.MaxInt {
		if d := c.knownDifference(partial); d != nil {
			return d
		}
	}
	d := &difference{key: key, version: c.version(), result: c}
	for ch := range from.changes(c.table) {
		if d.size+ch.size() > limit && len(d.changes) > 0 {
			step := from.stepTo(c.table)
			for _, done := range d.changes {
				step.pass(done)
			}
			d.key, d.result = partial, c.derive(step.table())
			d.version = d.result.version()
			break
		}
		d.append(ch)
	}
	if !shared {
		return d
	}
	return c.remember(d)
}

// custom returns the difference of exactly these changes, the same object for all streams
// that need the same.
func (c *content) custom(changes []change, version string, shared bool) *difference {
	d := &difference{version: version}
	var names maphash.Hash
	names.SetSeed(hashSeed)
	names.WriteString(version)
	for _, ch := range changes {
		d.append(ch)
		if ch.new == nil || ch.new.wire == nil {
			names.WriteString(ch.name)
			names.WriteByte(0)
		}
		d.key.custom = d.key.custom.add(ch.new)
	}
	d.key.from, d.key.isCustom = setSum{names.Sum64(), uint64(len(changes))}, true
	if known := c.knownDifference(d.key); known != nil {
		return known
	}
	return c.remember(d)
}

func (d *difference) append(ch change) {
	d.changes = append(d.changes, ch)
	d.size += ch.size()
	d.claims = d.claims || ch.old != nil && ch.old.placeholder
	d.own = d.own || ch.old.refersToOwnType() || ch.new.refersToOwnType()
	if ch.new == nil {
		d.needs = true
		return
	}
	d.added++
	d.leaves = d.leaves || ch.leaves()
	d.needs = d.needs || len(ch.new.references) > 0
	d.grows = d.grows || len(ch.new.references) > 0 && (ch.old == nil || !containsRefs(ch.old.references, ch.new.references))
}

// find returns the change of name, if there is one.
func (d *difference) find(name string) (change, bool) {
	i, found := slices.BinarySearchFunc(d.changes, name, compareChange)
	if !found {
		return change{}, false
	}
	return d.changes[i], true
}

func (c *content) knownDifference(key differenceKey) *difference {
	if list := c.differences.Load(); list != nil {
		for _, d := range *list {
			if d.key == key {
				return d
			}
		}
	}
	return nil
}

func (c *content) remember(d *difference) *difference {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.knownDifference(d.key); known != nil {
		return known
	}
	list := prepend(c.differences.Load(), d)
	c.differences.Store(&list)
	return d
}

// derive returns the content that t is, shared by streams that derived the same from c.
func (c *content) derive(t *table) *content {
	if t.sum == c.sum && t.count == c.count {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if list := c.derived.Load(); list != nil {
		for _, known := range *list {
			if known.sum == t.sum && known.count == t.count {
				return known
			}
		}
	}
	d := &content{table: t, position: c.position}
	list := prepend(c.derived.Load(), d)
	c.derived.Store(&list)
	return d
}

// prepend returns a new list with v first and at most keptPerContent entries.
func prepend[T any](list *[]T, v T) []T {
	fresh := []T{v}
	if list != nil {
		fresh = append(fresh, (*list)[:min(len(*list), keptPerContent-1)]...)
	}
	return fresh
}
