package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/persistent"
)

// guardWindow is how long a removal is remembered. If most of the mesh would be removed within this time, in one step or
// in many, the change is held: a script that removes files one by one, or a disk that loses them, is not a decision of a
// person.
const guardWindow = time.Hour

// names are the names of documents, by kind.
type names [len(kinds)]nameSet

type nameSet = persistent.Map[string, struct{}]

var kinds = [...]string{"service", "edge", "external"}

// peak is the number of documents of a kind before some were removed.
type peak struct {
	Count int       `json:"count"`
	Until time.Time `json:"until"`
}

// guard decides whether a change removes too much. Immutable.
type guard struct {
	documents *config.Documents // the documents in force; nil if only their names are known
	names     names             // of the documents in force
	peaks     peaks
}

// peaks are the peaks of each kind within guardWindow, by time. Each is lower than the one before, so there are at most
// as many as documents were removed.
type peaks [len(kinds)][]peak

// namesOf returns the names of documents. The cost is proportional to their difference from those in force.
func (g guard) namesOf(documents *config.Documents) names {
	old, n := g.documents, g.names
	if old == nil {
		old, n = &config.Documents{}, names{}
	}
	return names{
		updated(n[0], old.Services, documents.Services),
		updated(n[1], old.Edges, documents.Edges),
		updated(n[2], old.Externals, documents.Externals),
	}
}

// updated returns the names in now, given the names n in old.
func updated[K ~string, V comparable](n nameSet, old, now persistent.Map[K, V]) nameSet {
	for name := range now.Changes(old) {
		if now.Has(name) {
			n = n.With(string(name), struct{}{})
		} else {
			n = n.Without(string(name))
		}
	}
	return n
}

// next returns the guard after documents have been accepted. If a person decided that, earlier removals are forgotten.
func (g guard) next(documents *config.Documents, at time.Time, decided bool) guard {
	next := guard{documents: documents, names: g.namesOf(documents)}
	if decided {
		return next
	}
	for i, old := range g.names {
		next.peaks[i] = slices.DeleteFunc(slices.Clone(g.peaks[i]), func(p peak) bool {
			return p.Count <= old.Len() || at.Sub(p.Until) > guardWindow
		})
		if next.names[i].Len() < old.Len() {
			next.peaks[i] = append(next.peaks[i], peak{old.Len(), at})
		}
	}
	return next
}

// tooMany returns the reason if next removes too much: more than half of the services, edges or externals, in this step
// or together with earlier ones within the window. Otherwise it returns "".
func (g guard) tooMany(next names, at time.Time) string {
	var removed, left []string
	for i, old := range g.names {
		kept := next[i].Len()
		gone := len(missing(old, next[i]))
		before := old.Len()
		for _, p := range g.peaks[i] {
			if at.Sub(p.Until) <= guardWindow {
				before = max(before, p.Count)
			}
		}
		switch {
		case 2*gone > old.Len():
			removed = append(removed, fmt.Sprintf("%d of %d %ss", gone, old.Len(), kinds[i]))
		case gone > 0 && 2*kept < before:
			left = append(left, fmt.Sprintf("%d of the %d %ss", kept, before, kinds[i]))
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

// removes lists the documents that next removes, by kind and name.
func (g guard) removes(next names) (all []string) {
	for i, old := range g.names {
		for _, name := range missing(old, next[i]) {
			all = append(all, kinds[i]+" "+name)
		}
	}
	return all
}

// renamed returns the reason if next removes a service that has instances and adds one that has none: most likely the
// service was renamed, and its instances still have the old name. Otherwise it returns "".
func (g guard) renamed(next names, instances func(mesh.ServiceName) int) string {
	without := missing(next[0], g.names[0])
	without = slices.DeleteFunc(without, func(name string) bool { return instances(mesh.ServiceName(name)) > 0 })
	for _, name := range missing(g.names[0], next[0]) {
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

// missing returns the names in old that are not in now, sorted.
func missing(old, now nameSet) []string {
	var all []string
	for name := range now.Changes(old) {
		if !now.Has(name) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}
