package xds

import (
	"hash/maphash"
	"slices"
	"time"
)

// A placeholder stands, in what a client was sent and acknowledged, for a resource that the client
// had when it connected and that is not what there is now. Its content is not known here, and what
// it refers to is not either. It is replaced or removed like any resource, and is never sent.
func placeholder(typeURL, name, version string) *Resource {
	var h maphash.Hash
	h.SetSeed(hashSeed)
	h.WriteString(name)
	h.WriteByte(0)
	h.WriteString(version)
	sum := h.Sum64()
	r := &Resource{typeURL: typeURL, name: name, version: version, placeholder: true, sum: setSum{sum, ^sum}}
	r.further = furtherNames(r)
	return r
}

// unknownState is the name of the placeholder for all that a state-of-the-world client had, which
// says that it has something and not what.
const unknownState = wildcardName

func (r *Resource) isUnknownState() bool { return r != nil && r.placeholder && r.name == unknownState }

// mayReferTo says whether the resource refers to ref, or may do so.
func (r *Resource) mayReferTo(ref Ref) bool {
	switch {
	case r == nil:
		return false
	case r.placeholder:
		return slices.Contains(kindOf(ref.Type).users, r.typeURL)
	}
	return r.refersTo(ref)
}

// claim takes the versions that a delta client says it has (C080, C081). What there is not, or
// is another by now, becomes a placeholder.
func (p *watch) claim(now time.Time, versions map[string]string) {
	if len(versions) > 0 {
		p.claims, p.returned = versions, now
		p.session.group.load()
		p.recognize(now)
	}
}

// recognize makes the client's claims what it was sent and acknowledged: its own resources where
// they are what there is, placeholders where not. As long as nothing is published, all are
// placeholders, and are looked at again when something is.
func (p *watch) recognize(now time.Time) {
	published := p.want != nil
	has := make([]*Resource, 0, len(p.claims))
	equal := 0
	for name, version := range p.claims {
		var r *Resource
		if published {
			r = p.want.find(name)
		}
		switch {
		case r != nil && r.version == version && r.name == name:
			has = append(has, r)
			equal++
		case name != unknownState && p.asks(name) && (r == nil || r.name == name):
			has = append(has, placeholder(p.typeURL, name, version))
		}
	}
	known := p.want
	if !published || len(has) != equal || equal != p.want.count {
		known = &content{table: newTable(has)}
		if published {
			known.position = p.want.position
		}
	}
	p.sent, p.acked, p.position = known, known, known.position
	if !published {
		return
	}
	p.resends = slices.DeleteFunc(p.resends, func(name string) bool {
		_, claimed := p.claims[name]
		return claimed && known.find(name) != nil // equal, or a change that is said as such
	})
	p.answerDue = p.answerDue && len(has) == 0
	p.unsure, p.claims = p.undecidedClaims(), nil
	p.recognized(now, known)
}

func (p *watch) undecidedClaims() map[string]string {
	var unsure map[string]string
	for _, name := range p.want.undecided {
		if version, claimed := p.claims[name]; claimed {
			if unsure == nil {
				unsure = map[string]string{}
			}
			unsure[name] = version
		}
	}
	return unsure
}

// recognizeDecided replaces the placeholders of names that are no longer undecided by what turned
// out to exist in the version that the client has, which is not sent again (C080).
func (p *watch) recognizeDecided() {
	var equal []change
	for name, version := range p.unsure {
		if p.want.isUndecided(name) {
			continue
		}
		delete(p.unsure, name)
		r, has := p.want.find(name), p.sent.get(name)
		if r != nil && r.name == name && r.version == version && has != nil && has.placeholder {
			equal = append(equal, change{name: name, old: has, new: r})
		}
	}
	if len(equal) == 0 {
		return
	}
	p.resends = slices.DeleteFunc(p.resends, func(name string) bool {
		return slices.ContainsFunc(equal, func(ch change) bool { return ch.name == name })
	})
	sent := p.sent
	p.sent = &content{table: sent.with(equal), position: sent.position}
	if p.acked == sent {
		p.acked = p.sent
	} else {
		p.acked = &content{table: p.acked.with(equal), position: p.acked.position}
	}
}

// claimUnknown notes that a state-of-the-world client has something, which is not what there is now.
func (p *watch) claimUnknown(now time.Time) {
	p.returned = now
	p.sent = &content{table: newTable([]*Resource{placeholder(p.typeURL, unknownState, "")})}
	p.acked = p.sent
}

// hasUnknownState says whether the client has what it had when it connected, and nobody knows what.
func (p *watch) hasUnknownState() bool {
	return !p.returned.IsZero() && !p.session.delta && p.sent.get(unknownState) != nil
}

// recognized follows from what the client turns out to have: heartbeats are due, since nobody
// knows when it heard of it last, and what a listener refers to may still be on its way.
func (p *watch) recognized(now time.Time, known *content) {
	p.refreshSoon(now, known)
	p.inheritTouched()
	for _, q := range p.session.watches {
		if q.pending != nil {
			p.touchAfter(q.typeURL, q.pending.list) // sent before anybody knew that the client has these
		}
	}
	if !p.warms {
		return
	}
	for r := range known.all() {
		if !r.placeholder && len(r.references) > 0 {
			p.retainVersion(now, r.name, placeholder(p.typeURL, r.name, ""))
		}
	}
}
