package xds

import (
	"slices"
	"time"
)

// planBeat sets when resources with a TTL have to be heard of again (C102): at half the
// shortest TTL of what the client has.
func (p *place) planBeat(now time.Time, has *content) {
	p.beat = time.Time{}
	if !p.session.ttl {
		return
	}
	if ttl := has.shortestTTL(); ttl > 0 {
		p.beat = now.Add(ttl / 2)
	}
}

func (t *table) shortestTTL() time.Duration {
	var shortest time.Duration
	for r := range t.all() {
		if r.ttl > 0 && (shortest == 0 || r.ttl < shortest) {
			shortest = r.ttl
		}
	}
	return shortest
}

// beatNow returns a heartbeat if it is time for one: the resources with a TTL, without bodies.
// It is not an update, but has a nonce and is acknowledged like one.
func (p *place) beatNow(now time.Time) *response {
	if p.beat.IsZero() || now.Before(p.beat) {
		return nil
	}
	var beating []*Resource
	for r := range p.acked.all() {
		if r.ttl > 0 {
			beating = append(beating, r)
		}
	}
	p.planBeat(now, p.acked)
	if len(beating) == 0 {
		return nil
	}
	s := p.session
	r := &response{session: s, place: p, delta: s.delta, nonce: s.newNonce(), version: p.acked.sum.version()}
	b := appendHeader(nil, r.version, p.typeURL)
	for _, resource := range beating {
		message := wrapped(resource, true, false)
		if !s.delta {
			message = anyOf(wrapperType, message)
		}
		b = appendMessage(b, fieldResources, message)
	}
	r.body = newBody(b)
	r.list = &difference{}
	p.flight = &flight{result: p.acked, position: p.position, list: r.list, version: r.version, beat: true}
	p.nonce, p.sentAt = r.nonce, now
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
