package mesh

import (
	"slices"
	"testing"
)

func TestMergeKeepsWhatWasNotMeasuredAgain(t *testing.T) {
	earlier := []Figure{{What: "a", Value: 1, Before: 10}, {What: "b", Value: 2, Before: 20}}
	later := []Figure{{What: "b", Value: 3}, {What: "c", Value: 4}}
	want := []Figure{{What: "a", Value: 1, Before: 10}, {What: "b", Value: 3, Before: 20}, {What: "c", Value: 4}}
	if got := Merge(earlier, later); !slices.Equal(got, want) {
		t.Errorf("merged %+v, want %+v", got, want)
	}
}

// Names on the command line lead to one row each.
func TestRowsAreDistinct(t *testing.T) {
	names := Rows()
	slices.Sort(names)
	if distinct := slices.Compact(slices.Clone(names)); len(distinct) != len(names) {
		t.Errorf("two rows have one name: %q", names)
	}
}

// Changes that are timed side by side must not have a proxy in common.
func TestServicesApartShareNoCaller(t *testing.T) {
	s := shape{services: 1000, calls: 10}
	seen := map[int]int{}
	for i := range editCount {
		for _, caller := range s.callers(i * apart) {
			if other, ok := seen[caller]; ok {
				t.Fatalf("service %d calls both %d and %d", caller, other*apart, i*apart)
			}
			seen[caller] = i
		}
	}
}
