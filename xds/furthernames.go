package xds

import (
	"iter"
	"slices"
	"strings"
)

// A resource answers to further names besides its own: its aliases (C105) and the glob
// collections that it is a member of (C107). A table keeps an index of them, which is another
// table: it has an entry for each further name of each resource, sorted by that name.

// separator stands in the name of an entry between the further name and the resource's own.
const separator = "\x00"

// furtherNames returns the index entries of a resource.
func furtherNames(r *Resource) []*Resource {
	names := globsOf(r.name)
	for _, alias := range r.aliases {
		names = append(names, canonicalName(alias))
	}
	slices.Sort(names)
	var entries []*Resource
	for _, name := range slices.Compact(names) {
		if name != r.name {
			entries = append(entries, &Resource{name: name + separator + r.name, target: r})
		}
	}
	return entries
}

// furtherName returns the further name of which r is an index entry.
func (r *Resource) furtherName() string {
	return r.name[:len(r.name)-len(separator)-len(r.target.name)]
}

// named yields the resources that a client means by a canonical name: the one of this name,
// those that have it as an alias, and the members of the glob collection of this name.
func (t *table) named(name string) iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		if r := t.get(name); r != nil && !yield(r) || t.further == nil {
			return
		}
		prefix := name + separator
		for entry := range t.further.from(prefix) {
			if !strings.HasPrefix(entry.name, prefix) {
				return
			}
			if entry.furtherName() == name && !yield(entry.target) {
				return
			}
		}
	}
}

// anyNamed yields the resources that a client means by any of names, perhaps more than once.
func (t *table) anyNamed(names []string) iter.Seq[*Resource] {
	return func(yield func(*Resource) bool) {
		for _, name := range names {
			for r := range t.named(name) {
				if !yield(r) {
					return
				}
			}
		}
	}
}

// find returns the first resource that a client means by a canonical name, nil when there is none.
func (t *table) find(name string) *Resource {
	for r := range t.named(name) {
		return r
	}
	return nil
}

// hasFurther says whether a resource, which may be nil, has further names.
func (r *Resource) hasFurther() bool { return r != nil && len(r.further) > 0 }

// changesOfIndex returns what the replacement of old by r (nil for none) changes in the index.
func changesOfIndex(old, r *Resource) []change {
	var changes []change
	if old != nil {
		for _, entry := range old.further {
			changes = append(changes, change{name: entry.name})
		}
	}
	if r != nil {
		for _, entry := range r.further {
			changes = append(changes, change{name: entry.name, new: entry})
		}
	}
	return changes
}
