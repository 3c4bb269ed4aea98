package xds

import (
	"slices"
	"strings"
)

// Lists of names are sorted, have each name once, and are in canonical spelling.

// canonicalNames returns the list of names that come from outside.
func canonicalNames(names []string) []string {
	if slices.ContainsFunc(names, isXdstp) {
		names = slices.Clone(names)
		for i, name := range names {
			names[i] = canonicalName(name)
		}
	}
	strictly := true
	for i := 1; i < len(names); i++ {
		if names[i-1] >= names[i] {
			strictly = false
			break
		}
	}
	if strictly {
		return names
	}
	names = slices.Sorted(slices.Values(names))
	return slices.Compact(names)
}

// mergeNames returns the names that are in either list, those in both as they are in the first. It
// is quick when the second list is short.
func mergeNames(a, b []string) []string {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	merged := make([]string, 0, len(a)+len(b))
	for _, name := range b {
		i, found := slices.BinarySearch(a, name)
		merged, a = append(merged, a[:i]...), a[i:]
		if !found {
			merged = append(merged, name)
		}
	}
	return append(merged, a...)
}

// differenceOf returns the names that are only in after, and those that are only in before.
func differenceOf(before, after []string) (added, dropped []string) {
	for len(before) > 0 && len(after) > 0 {
		switch c := strings.Compare(before[0], after[0]); {
		case c < 0:
			dropped, before = append(dropped, before[0]), before[1:]
		case c > 0:
			added, after = append(added, after[0]), after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
	return append(added, after...), append(dropped, before...)
}

// without returns the names that are not in drop. It is quick when drop is short.
func without(names, drop []string) []string {
	if len(drop) == 0 {
		return names
	}
	kept := make([]string, 0, len(names))
	for _, name := range drop {
		i, found := slices.BinarySearch(names, name)
		kept, names = append(kept, names[:i]...), names[i:]
		if found {
			names = names[1:]
		}
	}
	return append(kept, names...)
}
