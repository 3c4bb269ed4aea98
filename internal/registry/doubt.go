package registry

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Doubt is a pause of expiry: so many of a service's instances (or of the mesh's) stopped
// checking in at once that the registry rather doubts its own sight. They stay until they
// check in, an operator decides, or the bound is reached.
type Doubt struct {
	Service   mesh.ServiceName
	Instances []netip.AddrPort // those in doubt, sorted
	Of        int              // how many instances the service has in all
	Mesh      bool             // too many of the whole mesh, not of this service, are the cause
	Since     time.Time
	Until     time.Time // when expiry resumes by itself
}

// LapseLimits says how many deaths at once are too many to be believed. Counted are the leases
// that would lapse within one check-in interval, in each service and in the whole mesh:
// whoever is alive has at least nine more. Zero fields have their defaults.
type LapseLimits struct {
	Percent int           // more than this share is doubted; default 20
	Least   int           // fewer than this many are believed; default 3
	Bound   time.Duration // how long expiry pauses at most; default 30 min
}

// checkInInterval is the default one. For so long the numbers must be believable before a
// pause ends: in that time whoever is alive has checked in.
const checkInInterval = DefaultLease / CheckInsPerLease

func (s LapseLimits) withDefaults() LapseLimits {
	return LapseLimits{
		Percent: cmp.Or(s.Percent, 20),
		Least:   cmp.Or(s.Least, 3),
		Bound:   cmp.Or(s.Bound, 30*time.Minute),
	}
}

// doubts reports whether so many dead of so many in all are too many.
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
	calm         time.Time // since when the numbers could be believed again; zero: they cannot
}

func newDoubts(s LapseLimits) doubts {
	return doubts{limits: s, pauses: make(map[mesh.ServiceName]*pause)}
}

// scope is what a pause is about, in numbers.
type scope struct {
	name    mesh.ServiceName
	missing int // would lapse within a check-in interval, or are overdue
	of      int // instances in all
}

// verdict says what became of the pause of a scope.
type verdict int

const (
	unchanged verdict = iota
	paused            // expiry pauses from now on
	calmed            // the numbers have been believable for a check-in interval
	bounded           // the bound is reached: who is overdue is dead
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

// holds returns the pause under which a missing instance of service stands, or nil.
func (d *doubts) holds(service mesh.ServiceName) *pause {
	return cmp.Or(d.pauses[service], d.pauses[wholeMesh])
}

// list describes the pauses by service, with the missing instances that they hold.
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
				doubt.Instances = append(doubt.Instances, l.instance.Address)
			}
		}
		if len(doubt.Instances) > 0 {
			slices.SortFunc(doubt.Instances, netip.AddrPort.Compare)
			found = append(found, doubt)
		}
	}
	return found
}
