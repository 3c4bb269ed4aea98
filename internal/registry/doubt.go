package registry

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Doubt is a pause of expiry: so many of a service's instances (or of the mesh's) stopped checking in at the same
// time that a broken network or server is more likely. They stay registered until they check in, an operator decides,
// or the time limit is reached.
type Doubt struct {
	Service   mesh.ServiceName
	Instances []Socket // those in doubt, sorted
	Of        int      // how many instances the service has in all
	Mesh      bool     // the cause is the whole mesh, not this service alone
	Since     time.Time
	Until     time.Time // when expiry resumes by itself
}

// LapseLimits say how many lapses at the same time are too many to be believed. The leases that would end within one
// check-in interval are counted, for each service and for the whole mesh: an instance that is alive has nine tenths
// of its lease left. Zero fields have their defaults.
type LapseLimits struct {
	Percent int           // a larger share is not believed; default 20
	Least   int           // fewer are always believed; default 3
	Bound   time.Duration // longest pause of expiry; default 30 min
}

// checkInInterval is the default check-in interval. A pause ends when the numbers were believable for that long,
// because every instance that is alive has checked in by then.
const checkInInterval = DefaultLease / CheckInsPerLease

func (s LapseLimits) withDefaults() LapseLimits {
	return LapseLimits{
		Percent: cmp.Or(s.Percent, 20),
		Least:   cmp.Or(s.Least, 3),
		Bound:   cmp.Or(s.Bound, 30*time.Minute),
	}
}

// doubts reports whether dead of of instances are too many to be believed.
func (s LapseLimits) doubts(dead, of int) bool {
	return dead >= s.Least && dead*100 > s.Percent*of
}

// wholeMesh is the scope of a pause for all services; no service has that name.
const wholeMesh mesh.ServiceName = ""

// doubts holds the pauses of expiry. It reads no clock and takes no lock.
type doubts struct {
	limits LapseLimits
	pauses map[mesh.ServiceName]*pause // by scope
}

// pause is a pause of expiry in one scope.
type pause struct {
	since, until time.Time
	calm         time.Time // since when the numbers are believable again; zero: they are not
}

func newDoubts(s LapseLimits) doubts {
	return doubts{limits: s, pauses: make(map[mesh.ServiceName]*pause)}
}

// scope is the numbers of a service, or of the whole mesh.
type scope struct {
	name    mesh.ServiceName
	missing int // their leases would end within a check-in interval, or have ended
	of      int // instances in all
}

// verdict is the decision about the pause of a scope.
type verdict int

const (
	unchanged verdict = iota
	paused            // expiry pauses from now on
	calmed            // the numbers have been believable for a check-in interval
	bounded           // the limit is reached: overdue instances are dead
)

// judge decides on the pause of s at now.
func (d *doubts) judge(s scope, now time.Time) verdict {
	p := d.pauses[s.name]
	unlikely := d.limits.doubts(s.missing, s.of)
	switch {
	case p == nil && unlikely:
		d.pauses[s.name] = &pause{since: now, until: now.Add(d.limits.Bound)}
		return paused
	case p == nil:
		return unchanged
	case !now.Before(p.until):
		delete(d.pauses, s.name)
		return bounded
	case unlikely:
		p.calm = time.Time{}
	case p.calm.IsZero():
		p.calm = now
	}
	if s.missing == 0 || !p.calm.IsZero() && now.Sub(p.calm) >= checkInInterval {
		delete(d.pauses, s.name)
		return calmed
	}
	return unchanged
}

// holds returns the pause that keeps a missing instance of service registered, or nil.
func (d *doubts) holds(service mesh.ServiceName) *pause {
	return cmp.Or(d.pauses[service], d.pauses[wholeMesh])
}

// list describes the pauses by service, with the missing instances that they keep registered.
func (d *doubts) list(all *leases, size func(mesh.ServiceName) int, now time.Time) []Doubt {
	var found []Doubt
	for _, service := range slices.Sorted(maps.Keys(all.missing)) {
		p := d.holds(service)
		if p == nil {
			continue
		}
		doubt := Doubt{Service: service, Of: size(service), Mesh: d.pauses[service] == nil, Since: p.since, Until: p.until}
		for l := range all.missing[service] {
			if l.isMissing(now) {
				doubt.Instances = append(doubt.Instances, l.instance.Socket())
			}
		}
		if len(doubt.Instances) > 0 {
			slices.SortFunc(doubt.Instances, Socket.Compare)
			found = append(found, doubt)
		}
	}
	return found
}
