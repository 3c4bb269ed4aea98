package xds

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Snapshot is all resources of one view: immutable, consistent with each other.
type Snapshot struct{ tables map[string]*table }

// NewSnapshot returns a snapshot of resources. Of two with one type and name the last counts.
func NewSnapshot(resources ...*Resource) *Snapshot {
	byType := map[string][]*Resource{}
	for _, r := range resources {
		byType[r.typeURL] = append(byType[r.typeURL], r)
	}
	s := &Snapshot{tables: make(map[string]*table, len(byType))}
	for typeURL, of := range byType {
		s.tables[typeURL] = newTable(of)
	}
	return s
}

// With returns the snapshot after removing the resources that remove names and then adding put, or
// putting them in place of those of the same type and name. s stays as it is and may be nil, for an
// empty snapshot. Names that do not exist are ignored; of two resources with one type and name the last
// counts. The two snapshots share what did not change, so the cost is that of the changes.
func (s *Snapshot) With(put []*Resource, remove []Ref) *Snapshot {
	changes := map[string][]change{}
	for _, ref := range remove {
		changes[ref.Type] = append(changes[ref.Type], change{name: canonicalName(ref.Name)})
	}
	for _, r := range put {
		changes[r.typeURL] = append(changes[r.typeURL], change{name: r.name, new: r})
	}
	next := &Snapshot{tables: map[string]*table{}}
	if s != nil {
		next.tables = maps.Clone(s.tables)
	}
	for typeURL, of := range changes {
		t := next.table(typeURL).with(of)
		if t.count == 0 {
			delete(next.tables, typeURL)
			continue
		}
		next.tables[typeURL] = t
	}
	return next
}

// table returns the resources of a type, possibly none.
func (s *Snapshot) table(typeURL string) *table {
	if t := s.tables[typeURL]; t != nil {
		return t
	}
	return emptyTable
}

// Get returns the resource ref names, nil when the snapshot has none.
func (s *Snapshot) Get(ref Ref) *Resource { return s.table(ref.Type).get(canonicalName(ref.Name)) }

// Types returns the type URLs there are resources of, sorted.
func (s *Snapshot) Types() []string { return slices.Sorted(maps.Keys(s.tables)) }

// Resources returns the resources of a type by name.
func (s *Snapshot) Resources(typeURL string) []*Resource {
	return slices.Collect(s.table(typeURL).all())
}

// Check returns an error that lists every reference to a resource that is neither in the
// snapshot nor, says elsewhere, in another source. elsewhere may be nil.
func (s *Snapshot) Check(elsewhere func(Ref) bool) error {
	var missing []error
	for _, typeURL := range s.Types() {
		for r := range s.table(typeURL).all() {
			for _, ref := range r.references {
				if s.Get(ref) == nil && (elsewhere == nil || !elsewhere(ref)) {
					missing = append(missing, fmt.Errorf("%s %q refers to %s %q, which does not exist",
						shortType(typeURL), r.name, shortType(ref.Type), ref.Name))
				}
			}
		}
	}
	return errors.Join(missing...)
}
