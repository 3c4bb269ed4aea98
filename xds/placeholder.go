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
func (w *watch) claim(now time.Time, versions map[string]string) {
	if len(versions) > 0 {
		w.claims, w.returned = versions, now
		w.session.group.load()
		w.recognize(now)
	}
}

// recognize makes the client's claims what it was sent and acknowledged: its own resources where
// they are what there is, placeholders where not. As long as nothing is published, all are
// placeholders, and are looked at again when something is.
func (w *watch) recognize(now time.Time) {
	published := w.want != nil
	has := make([]*Resource, 0, len(w.claims))
	equal := 0
	for name, version := range w.claims {
		var r *Resource
		if published {
			r = w.want.find(name)
		}
		switch {
		case r != nil && r.version == version && r.name == name:
			has = append(has, r)
			equal++
		case name != unknownState && w.asks(name) && (r == nil || r.name == name):
			has = append(has, placeholder(w.typeURL, name, version))
		}
	}
	known := w.want
	if !published || len(has) != equal || equal != w.want.count {
		known = &content{table: newTable(has)}
		if published {
			known.position = w.want.position
		}
	}
	w.sent, w.acked, w.position = known, known, known.position
	if !published {
		return
	}
	w.resends = slices.DeleteFunc(w.resends, func(name string) bool {
		_, claimed := w.claims[name]
		return claimed && known.find(name) != nil // equal, or a change that is said as such
	})
	w.answerDue = w.answerDue && len(has) == 0
	w.unsure, w.claims = w.undecidedClaims(), nil
	w.recognized(now, known)
}

func (w *watch) undecidedClaims() map[string]string {
	var unsure map[string]string
	for _, name := range w.want.undecided {
		if version, claimed := w.claims[name]; claimed {
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
func (w *watch) recognizeDecided() {
	var equal []change
	for name, version := range w.unsure {
		if w.want.isUndecided(name) {
			continue
		}
		delete(w.unsure, name)
		r, has := w.want.find(name), w.sent.get(name)
		if r != nil && r.name == name && r.version == version && has != nil && has.placeholder {
			equal = append(equal, change{name: name, old: has, new: r})
		}
	}
	if len(equal) == 0 {
		return
	}
	w.resends = slices.DeleteFunc(w.resends, func(name string) bool {
		return slices.ContainsFunc(equal, func(ch change) bool { return ch.name == name })
	})
	sent := w.sent
	w.sent = &content{table: sent.with(equal), position: sent.position}
	if w.acked == sent {
		w.acked = w.sent
	} else {
		w.acked = &content{table: w.acked.with(equal), position: w.acked.position}
	}
}

// claimUnknown notes that a state-of-the-world client has something, which is not what there is now.
func (w *watch) claimUnknown(now time.Time) {
	w.returned = now
	w.sent = &content{table: newTable([]*Resource{placeholder(w.typeURL, unknownState, "")})}
	w.acked = w.sent
}

// hasUnknownState says whether the client has what it had when it connected, and nobody knows what.
func (w *watch) hasUnknownState() bool {
	return !w.returned.IsZero() && !w.session.delta && w.sent.get(unknownState) != nil
}

// recognized follows from what the client turns out to have: heartbeats are due, since nobody
// knows when it heard of it last, and what a listener refers to may still be on its way.
func (w *watch) recognized(now time.Time, known *content) {
	w.refreshSoon(now, known)
	w.inheritResends()
	for _, q := range w.session.watches {
		if q.pending != nil {
			w.resendAfter(q.typeURL, q.pending.list) // sent before anybody knew that the client has these
		}
	}
	if !w.warms {
		return
	}
	for r := range known.all() {
		if !r.placeholder && len(r.references) > 0 {
			w.retainVersion(now, r.name, placeholder(w.typeURL, r.name, ""))
		}
	}
}
