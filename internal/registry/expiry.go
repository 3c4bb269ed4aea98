package registry

import (
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// sweep checks the leases: it updates which instances are missing, decides whether to pause expiry, and removes the
// instances whose lapse is believed. late is by how much the sweep is delayed.
func (r *Registry) sweep(late time.Duration) {
	now := time.Now()
	if late > awayAfter {
		r.log.Warn("registry was away: all leases are extended", "by", late)
	} else {
		late = 0
	}
	gone, news := r.lapse(now, late)
	for _, n := range news {
		n.log(r.log)
	}
	if len(gone) > 0 {
		r.expire(gone)
		r.log.Info("instances are gone: their leases ended", "instances", len(gone))
	}
	r.retry = len(r.unsaved) > 0
}

// lapse removes the leases that have ended and returns their keys, and which pauses began or ended. An instance that
// checks in from now on is a new one, so no answered check-in is undone.
func (r *Registry) lapse(now time.Time, away time.Duration) (gone []Key, found []news) {
	snapshot := r.Snapshot()
	r.mu.Lock()
	defer r.mu.Unlock()
	if away > 0 {
		r.leases.extend(away)
	}
	r.leases.updateMissing(now)
	r.holdForeign(now)
	found = r.judge(snapshot, now)
	for _, missing := range r.leases.missing {
		for l := range missing {
			if l.isOver(now) && r.believed(l, now) {
				gone = append(gone, l.instance.Key)
			}
		}
	}
	for _, key := range gone {
		r.leases.remove(key)
	}
	return gone, found
}

// believed reports whether l, whose time is over, may be removed.
func (r *Registry) believed(l *lease, now time.Time) bool {
	return r.doubts.holds(l.instance.Service) == nil || now.Sub(l.expires) >= r.doubts.limits.Bound
}

// news is the beginning or the end of a pause.
type news struct {
	scope
	verdict
	until time.Time // of a pause that began
}

// judge decides on the pause of every scope that has one or may need one.
func (r *Registry) judge(snapshot *Snapshot, now time.Time) []news {
	var found []news
	for _, s := range r.scopes(snapshot) {
		switch v := r.doubts.judge(s, now); v {
		case unchanged:
		case paused:
			found = append(found, news{s, v, r.doubts.pauses[s.name].until})
		default:
			found = append(found, news{scope: s, verdict: v})
		}
	}
	return found
}

func (n news) log(to *slog.Logger) {
	to = to.With("service", n.label(), "missing", n.missing, "of", n.of)
	switch n.verdict {
	case paused:
		to.Warn("expiry pauses: too many instances stopped checking in at once", "until", n.until)
	case calmed:
		to.Info("expiry resumes: enough instances are back")
	case bounded:
		to.Warn("expiry resumes: it paused for as long as it may")
	}
}

// scopes returns the services with missing instances or a pause, and the whole mesh.
func (r *Registry) scopes(snapshot *Snapshot) []scope {
	names := make(map[mesh.ServiceName]struct{})
	for service := range r.leases.missing {
		names[service] = struct{}{}
	}
	for service := range r.doubts.pauses {
		names[service] = struct{}{}
	}
	delete(names, wholeMesh)
	var found []scope
	for _, service := range slices.Sorted(maps.Keys(names)) {
		found = append(found, scope{service, len(r.leases.missing[service]), len(snapshot.Instances(service))})
	}
	return append(found, scope{wholeMesh, r.leases.absent, snapshot.Size()})
}

func (s scope) label() string {
	if s.name == wholeMesh {
		return "(all)"
	}
	return string(s.name)
}

// nextSweep returns when to check the leases next.
func (r *Registry) nextSweep(now time.Time) time.Time {
	soonest := now.Add(sweepEvery)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.leases.absent > 0 || len(r.doubts.pauses) > 0 || len(r.unsaved) > 0 {
		return soonest
	}
	if len(r.leases.queue) == 0 {
		return now.Add(DefaultLease)
	}
	if next := r.leases.queue[0].nextCheck; next.After(soonest) {
		return next
	}
	return soonest
}
