// Package persistent has a map whose versions share what they have in common, so that a new version and the difference
// of two versions cost what has changed and not what there is.
//
// It must never change a value that it has returned. Its one invariant: a node that two versions share has the same
// entries in both, so that no comparison looks below it.
package persistent

import (
	"hash/maphash"
	"iter"
	"slices"
)

// Map is an immutable map: a hash trie whose nodes are never changed. The zero value is empty. It may be used from
// any goroutine.
type Map[K, V comparable] struct {
	root   *node[K, V]
	length int
}

const (
	branchBits = 4 // of the hash, for each level
	branches   = 1 << branchBits
	leafSize   = 8 // more entries than this make a branch, as long as there are bits left
	maxDepth   = 64 / branchBits
)

// node is a branch or a leaf: exactly one of its fields is set.
type node[K, V comparable] struct {
	children *[branches]*node[K, V]
	entries  []entry[K, V]
}

type entry[K, V comparable] struct {
	hash  uint64
	key   K
	value V
}

// seed is the same for all maps of the process, so that two of them can be compared.
var seed = maphash.MakeSeed()

// Of returns a map with the entries of m.
func Of[K, V comparable](m map[K]V) Map[K, V] {
	var p Map[K, V]
	for k, v := range m {
		p = p.With(k, v)
	}
	return p
}

// Len is the number of entries.
func (m Map[K, V]) Len() int { return m.length }

// Get returns the value of a key, the zero value where there is none.
func (m Map[K, V]) Get(key K) V {
	value, _ := m.Lookup(key)
	return value
}

// Has reports whether there is a value for a key.
func (m Map[K, V]) Has(key K) bool {
	_, found := m.Lookup(key)
	return found
}

// Lookup returns the value of a key and whether there is one.
func (m Map[K, V]) Lookup(key K) (V, bool) {
	return m.root.lookup(maphash.Comparable(seed, key), 0, key)
}

func (n *node[K, V]) lookup(hash uint64, depth int, key K) (value V, found bool) {
	for ; n != nil && n.children != nil; depth++ {
		n = n.children[slot(hash, depth)]
	}
	if n != nil {
		if i := n.index(hash, key); i >= 0 {
			return n.entries[i].value, true
		}
	}
	return value, false
}

// slot is the child of a branch at that depth that has the entries of that hash.
func slot(hash uint64, depth int) int { return int(hash >> (depth * branchBits) & (branches - 1)) }

// index is the place of a key in a leaf, negative where it is not there.
func (n *node[K, V]) index(hash uint64, key K) int {
	for i := range n.entries {
		if n.entries[i].hash == hash && n.entries[i].key == key {
			return i
		}
	}
	return -1
}

// With returns the map with a value for a key.
func (m Map[K, V]) With(key K, value V) Map[K, V] {
	root, added := m.root.with(entry[K, V]{maphash.Comparable(seed, key), key, value}, 0)
	if added {
		m.length++
	}
	return Map[K, V]{root, m.length}
}

func (n *node[K, V]) with(e entry[K, V], depth int) (next *node[K, V], added bool) {
	if n == nil {
		return &node[K, V]{entries: []entry[K, V]{e}}, true
	}
	if n.children != nil {
		i := slot(e.hash, depth)
		child, added := n.children[i].with(e, depth+1)
		return n.replace(i, child), added
	}
	i := n.index(e.hash, e.key)
	switch {
	case i >= 0 && n.entries[i].value == e.value:
		return n, false
	case i >= 0:
		entries := slices.Clone(n.entries)
		entries[i] = e
		return &node[K, V]{entries: entries}, false
	case len(n.entries) < leafSize || depth == maxDepth:
		return &node[K, V]{entries: append(slices.Clip(n.entries), e)}, true
	}
	next = &node[K, V]{children: new([branches]*node[K, V])}
	for _, e := range append(slices.Clip(n.entries), e) {
		i := slot(e.hash, depth)
		next.children[i], _ = next.children[i].with(e, depth+1)
	}
	return next, true
}

// replace returns a branch with another child; nil when it has none any more.
func (n *node[K, V]) replace(i int, child *node[K, V]) *node[K, V] {
	if n.children[i] == child {
		return n
	}
	children := *n.children
	children[i] = child
	if child == nil && children == ([branches]*node[K, V]{}) {
		return nil
	}
	return &node[K, V]{children: &children}
}

// Without returns the map without a key.
func (m Map[K, V]) Without(key K) Map[K, V] {
	root := m.root.without(maphash.Comparable(seed, key), 0, key)
	if root != m.root {
		m.length--
	}
	return Map[K, V]{root, m.length}
}

func (n *node[K, V]) without(hash uint64, depth int, key K) *node[K, V] {
	if n == nil {
		return nil
	}
	if n.children != nil {
		i := slot(hash, depth)
		return n.replace(i, n.children[i].without(hash, depth+1, key))
	}
	i := n.index(hash, key)
	switch {
	case i < 0:
		return n
	case len(n.entries) == 1:
		return nil
	}
	return &node[K, V]{entries: slices.Delete(slices.Clone(n.entries), i, i+1)}
}

// All are the entries, in no order.
func (m Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.root.all(func(e *entry[K, V]) bool { return yield(e.key, e.value) })
	}
}

// Keys are the keys, in no order.
func (m Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		m.root.all(func(e *entry[K, V]) bool { return yield(e.key) })
	}
}

// Values are the values, in no order.
func (m Map[K, V]) Values() iter.Seq[V] {
	return func(yield func(V) bool) {
		m.root.all(func(e *entry[K, V]) bool { return yield(e.value) })
	}
}

func (n *node[K, V]) all(yield func(*entry[K, V]) bool) bool {
	if n == nil {
		return true
	}
	for i := range n.entries {
		if !yield(&n.entries[i]) {
			return false
		}
	}
	if n.children != nil {
		for _, child := range n.children {
			if !child.all(yield) {
				return false
			}
		}
	}
	return true
}
