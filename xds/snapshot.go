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

// table returns the resources of a type, possibly none.
func (s *Snapshot) table(typeURL string) *table {
	if t := s.tables[typeURL]; t != nil {
		return t
	}
	return emptyTable
}

// Get returns the resource ref names, nil when the snapshot has none.
func (s *Snapshot) Get(ref Ref) *Resource { return s.table(ref.Type).get(ref.Name) }

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
