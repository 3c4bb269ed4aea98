package persistent

import "iter"

// Changes are the keys whose values differ between old and m, in no order: changed, added and removed ones. Nodes that
// both maps share are not looked at, so that the versions of one map are compared at the cost of their changes.
func (m Map[K, V]) Changes(old Map[K, V]) iter.Seq[K] {
	return func(yield func(K) bool) { changes(old.root, m.root, 0, yield) }
}

func changes[K, V comparable](old, now *node[K, V], depth int, yield func(K) bool) bool {
	switch {
	case old == now:
		return true
	case old == nil || now == nil || old.children == nil || now.children == nil:
		return missing(now, old, depth, false, yield) && missing(old, now, depth, true, yield)
	}
	for i := range branches {
		if !changes(old.children[i], now.children[i], depth+1, yield) {
			return false
		}
	}
	return true
}

// missing yields the keys of n that other does not have and, unless removed is set, those that it has with another
// value.
func missing[K, V comparable](n, other *node[K, V], depth int, removed bool, yield func(K) bool) bool {
	return n.all(func(e *entry[K, V]) bool {
		value, found := other.lookup(e.hash, depth, e.key)
		if found && (removed || value == e.value) {
			return true
		}
		return yield(e.key)
	})
}
