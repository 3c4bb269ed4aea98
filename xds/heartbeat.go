package xds

import (
	"maps"
	"slices"
	"time"
)

// heartbeats are when the client heard last of each resource that has a TTL (C102). A resource is
// heard of when it is sent, and by a heartbeat: a response that has it without its body. Heartbeats go
// out beside a pending response and need no answer, so that neither a client that is slow to
// answer nor a neighbour that changes all the time lets a resource lapse.
type heartbeats struct {
	refreshed  map[string]time.Time // nil when nothing has a TTL
	next       time.Time            // no heartbeat is due before; zero when nothing has a TTL
	unanswered int                  // heartbeats since the client was heard of last
}

// maxUnanswered is how many heartbeats go to a client that does not say anything any more.
const maxUnanswered = 8

// minHeartbeat is the least time between heartbeats of a resource.
const minHeartbeat = 10 * time.Millisecond

// refreshes is how long after a resource was heard of it is due again, at the latest.
func (r *Resource) refreshes() time.Duration { return max(r.ttl/2, minHeartbeat) }

// noteSent takes note of what a response refreshes.
func (w *watch) noteSent(now time.Time, r *response) {
	if !w.session.ttl {
		return
	}
	if r.whole != nil {
		for resource := range r.whole.all() {
			w.refresh(now, resource)
		}
		return
	}
	for _, ch := range r.list.changes {
		if ch.new != nil {
			w.refresh(now, ch.new)
		}
	}
}

func (w *watch) refresh(at time.Time, r *Resource) {
	if r.ttl == 0 {
		delete(w.refreshed, r.name)
		return
	}
	if w.refreshed == nil {
		w.refreshed = map[string]time.Time{}
	}
	w.refreshed[r.name] = at
	w.next = earlier(w.next, at.Add(r.refreshes()))
}

// refreshSoon has heartbeats sent at once, since nobody knows when the client heard of what it has.
func (w *watch) refreshSoon(now time.Time, has *content) {
	if !w.session.ttl {
		return
	}
	for r := range has.all() {
		if r.ttl > 0 {
			w.refresh(now.Add(-r.refreshes()), r)
		}
	}
}

// nextHeartbeat is when to look for heartbeats that are due, zero for never.
func (w *watch) nextHeartbeat() time.Time {
	if w.unanswered >= maxUnanswered {
		return time.Time{}
	}
	return w.next
}

// heartbeat returns one if it is time for it. It has all that is due soon, so that resources
// with different TTLs fall into step.
func (w *watch) heartbeat(now time.Time) *response {
	if at := w.nextHeartbeat(); at.IsZero() || now.Before(at) {
		return nil
	}
	due, beats := false, []*Resource{}
	w.next = time.Time{}
	for _, name := range slices.Sorted(maps.Keys(w.refreshed)) {
		r := w.sent.get(name)
		if r == nil || r.ttl == 0 {
			delete(w.refreshed, name)
			continue
		}
		since := now.Sub(w.refreshed[name])
		due = due || since >= r.refreshes()
		if since >= r.refreshes()/2 {
			beats = append(beats, r)
		}
		w.next = earlier(w.next, w.refreshed[name].Add(r.refreshes()))
	}
	if !due {
		return nil
	}
	w.next = time.Time{}
	for _, r := range beats {
		w.refreshed[r.name] = now
	}
	for name, at := range w.refreshed {
		w.next = earlier(w.next, at.Add(w.sent.get(name).refreshes()))
	}
	r := w.heartbeatOf(beats)
	w.unanswered++
	w.nonce = r.nonce
	return r
}

// heartbeatOf encodes a heartbeat. Its version is that of what was sent last: clients compare it.
func (w *watch) heartbeatOf(beats []*Resource) *response {
	s := w.session
	r := &response{session: s, watch: w, delta: s.delta, nonce: s.newNonce(), version: w.sent.version(), list: &difference{}}
	b := appendHeader(nil, r.version, w.typeURL)
	for _, resource := range beats {
		message := appendWrapped(nil, resource, true, false)
		if !s.delta {
			message = anyOf(wrapperType, message)
		}
		b = appendMessage(b, fieldResources, message)
	}
	r.body = newBody(b)
	return r
}

// resourceFeatures are the client features that announce support (C101, C104).
var (
	ttlFeatures  = []string{"xds.config.supports-resource-ttl", "envoy.config.supports-resource-ttl"}
	sotwFeatures = []string{"xds.config.supports-resource-in-sotw", "xds.config.resource-in-sotw"}
)

// takesTTL says whether a client understands TTLs on this kind of stream.
func takesTTL(features []string, delta bool) bool {
	has := func(spellings []string) bool {
		return slices.ContainsFunc(spellings, func(f string) bool { return slices.Contains(features, f) })
	}
	return has(ttlFeatures) && (delta || has(sotwFeatures))
}
