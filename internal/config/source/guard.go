package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// guardWindow is how long a removal is remembered. Most of a mesh that goes within it, in one step or in many, is
// held: a loop that removes files one by one, or a disk that loses them, is no decision of a person.
const guardWindow = time.Hour

// names are what a set of documents describes, by kind. Each list is sorted.
type names struct {
	Services  []string `json:"services"`
	Edges     []string `json:"edges"`
	Externals []string `json:"externals"`
}

func namesOf(s *config.Snapshot) names {
	return names{sorted(s.Documents.Services), sorted(s.Documents.Edges), sorted(s.Documents.Externals)}
}

func sorted[K ~string, V any](m map[K]V) []string {
	all := make([]string, 0, len(m))
	for k := range maps.Keys(m) {
		all = append(all, string(k))
	}
	slices.Sort(all)
	return all
}

// byKind are the lists, in the order of kinds.
func (n names) byKind() [len(kinds)][]string { return [...][]string{n.Services, n.Edges, n.Externals} }

var kinds = [...]string{"service", "edge", "external"}

// peak is how many documents of a kind there were until some were removed.
type peak struct {
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// guard judges whether a change removes too much. Immutable.
type guard struct {
	names names // that are in force
	peaks peaks
}

// peaks are those of each kind within guardWindow, by time: each lower than the one before, so that there are no
// more than documents were removed.
type peaks [len(kinds)][]peak

// next is the guard once documents with these names are accepted. A person's decision is the new measure.
func (g guard) next(now names, at time.Time, decided bool) guard {
	next := guard{names: now}
	if decided {
		return next
	}
	for i, old := range g.names.byKind() {
		next.peaks[i] = slices.DeleteFunc(slices.Clone(g.peaks[i]), func(p peak) bool {
			return p.Count <= len(old) || at.Sub(p.Until) > guardWindow
		})
		if len(now.byKind()[i]) < len(old) {
			next.peaks[i] = append(next.peaks[i], peak{len(old), at})
		}
	}
	return next
}

// tooMany says why next removes too much: more than half of the services, the edges or the externals, in this step or
// with others within the window. "" when it does not.
func (g guard) tooMany(next names, at time.Time) string {
	var removed, left []string
	for i, old := range g.names.byKind() {
		kept := next.byKind()[i]
		gone := len(missing(old, kept))
		before := len(old)
		for _, p := range g.peaks[i] {
			if at.Sub(p.Until) <= guardWindow {
				before = max(before, p.Count)
			}
		}
		switch {
		case 2*gone > len(old):
			removed = append(removed, fmt.Sprintf("%d of %d %ss", gone, len(old), kinds[i]))
		case gone > 0 && 2*len(kept) < before:
			left = append(left, fmt.Sprintf("%d of the %d %ss", len(kept), before, kinds[i]))
		}
	}
	switch {
	case removed != nil:
		return "it would remove " + strings.Join(removed, " and ")
	case left != nil:
		return "it would leave " + strings.Join(left, " and ") + " that there were in the last hour"
	default:
		return ""
	}
}

// removes lists what goes with next.
func (g guard) removes(next names) (all []string) {
	for i, old := range g.names.byKind() {
		for _, name := range missing(old, next.byKind()[i]) {
			all = append(all, kinds[i]+" "+name)
		}
	}
	return all
}

// renamed says that a service with instances would go while one without comes: most likely it was renamed, and
// its instances were not. "" when that is not so.
func (g guard) renamed(next names, instances func(mesh.ServiceName) int) string {
	without := missing(next.Services, g.names.Services)
	without = slices.DeleteFunc(without, func(name string) bool { return instances(mesh.ServiceName(name)) > 0 })
	for _, name := range missing(g.names.Services, next.Services) {
		if n := instances(mesh.ServiceName(name)); n > 0 && len(without) > 0 {
			return fmt.Sprintf("it would remove service %s, which has %s, and add %s, which has none",
				name, counted(n, "instance"), strings.Join(without, ", "))
		}
	}
	return ""
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// missing are the names in old that are not in now. Both are sorted.
func missing(old, now []string) []string {
	var all []string
	for _, name := range old {
		if _, found := slices.BinarySearch(now, name); !found {
			all = append(all, name)
		}
	}
	return all
}
