package xds

import (
	"slices"
	"time"
)

// rejections are what a client refused of a type and has not accepted since. A nil pointer is none.
type rejections struct {
	refused         map[string]string   // name -> version refused; "" is its removal
	latest          *Rejection          // until all is accepted
	refusedTogether []map[string]string // name -> version: refused as a whole, so that not all need be bad
	probes          [][]string          // groups of refused names to be offered on their own
	removed         map[string]bool     // names whose removal was refused with other changes: the client may lack them
}

// mayLack says whether the client may have lost name by a response that it refused.
func (t *rejections) mayLack(name string) bool { return t != nil && t.removed[name] }

// accept forgets what was refused and has now been accepted, alone or in another content. Where the content that
// the client has was only sent again, it does not count as another as long as the refused one is current.
func (p *watch) accept(f *pendingResponse) {
	t := p.rejections
	if t == nil {
		return
	}
	for _, ch := range f.list.changes {
		if ch.new != nil && (!sameContent(ch.old, ch.new) || t.refused[ch.name] != versionOf(p.want.get(ch.name))) {
			delete(t.refused, ch.name)
		}
		delete(t.removed, ch.name)
	}
	p.forgetRejections()
}

// forgetRejections ends the record of rejections when nothing of it is left.
func (p *watch) forgetRejections() {
	if t := p.rejections; t != nil && len(t.refused)+len(t.removed) == 0 {
		p.rejections = nil
	}
}

// forgetRefused forgets rejections of what the client no longer asks for.
func (p *watch) forgetRefused() {
	t := p.rejections
	if t == nil {
		return
	}
	for name := range t.refused {
		if !p.asks(name) {
			delete(t.refused, name)
		}
	}
	for name := range t.removed {
		if !p.asks(name) {
			delete(t.removed, name)
		}
	}
	p.forgetRejections()
}

// refuse takes a NACK: the changes of the response are not sent again (C029), and each name counts as
// the object that was acknowledged last.
func (p *watch) refuse(now time.Time, f *pendingResponse, message string) {
	if p.rejections == nil {
		p.rejections = &rejections{refused: map[string]string{}, removed: map[string]bool{}}
	}
	t := p.rejections
	p.sent = p.acked
	names := t.record(p.acked, f.list)
	t.latest = &Rejection{
		Type: p.typeURL, Version: f.version, Message: message, Time: now, Names: names, Culprit: len(names) == 1,
	}
	for i, group := range t.probes {
		t.probes[i] = without(group, names) // they are others by now, and refused as such
	}
	switch {
	case len(names) == 1:
	case p.isolates():
		half := len(names) / 2
		t.probes = slices.Insert(t.probes, 0, names[:half], names[half:])
	default:
		t.refusedTogether = append(t.refusedTogether, t.versions(names))
	}
	p.repeatRefused(f, names)
	p.retainRefused(now, f.list, names)
	p.refreshSoon(now, p.acked)
	p.session.waker.rejected(*t.latest)
	p.forgetRefused() // the client may have dropped names before it answered
	p.session.group.changed(p.session)
}

// repeatRefused has sent once more what was only sent again in a response that was refused for something else,
// and what the client has of that for which it waits.
func (p *watch) repeatRefused(f *pendingResponse, names []string) {
	if p.sendsWhole() || len(names) == 0 {
		return
	}
	p.touched = appendRepeats(p.touched, f.touched...)
	for _, ch := range f.list.changes {
		if ch.new != nil && ch.new.wire != nil && sameContent(p.acked.get(ch.name), ch.new) {
			p.touched = appendRepeats(p.touched, ch.name)
		}
	}
}

// record takes note of what a refused response would have changed, and returns the names. Removals
// are recorded only when there was nothing else to refuse; what the client had already, never.
func (t *rejections) record(acked *content, refused *difference) []string {
	var names, removed []string
	for _, ch := range refused.changes {
		switch {
		case ch.new == nil:
			removed = append(removed, ch.name)
		case !sameContent(acked.get(ch.name), ch.new):
			names = append(names, ch.name)
			t.refused[ch.name] = ch.new.version
		}
	}
	if len(names) > 0 {
		for _, name := range removed {
			if acked.get(name) != nil {
				t.removed[name] = true
			}
		}
		return names
	}
	for _, name := range removed {
		t.refused[name] = ""
	}
	return removed
}

// versions are those in which names were refused.
func (t *rejections) versions(names []string) map[string]string {
	versions := make(map[string]string, len(names))
	for _, name := range names {
		versions[name] = t.refused[name]
	}
	return versions
}

// reconsider looks what has become of what was refused.
func (p *watch) reconsider() {
	if p.rejections == nil {
		return
	}
	if t := p.rejections; p.sendsWhole() && p.hasUnknownState() {
		// Nothing can be kept as the client had it, so all is offered again once any of it is another.
		if t.latest.Version != p.want.version() {
			clear(t.refused)
			t.refusedTogether = nil
		}
		return
	}
	p.resendUnchanged()
	p.offerNeighbors()
}

// offerNeighbors makes sure that good neighbours of a bad resource are not withheld with it: when one
// of several that were refused together is another by now, or gone, the others are offered on
// their own, after what changed. Only the whole was refused (C029).
func (p *watch) offerNeighbors() {
	t := p.rejections
	t.refusedTogether = slices.DeleteFunc(t.refusedTogether, func(refused map[string]string) bool {
		var same, absent []string
		still := 0
		for name, version := range refused {
			if t.refused[name] != version {
				continue
			}
			still++
			switch versionOf(p.want.get(name)) {
			case version:
				same = append(same, name)
			case "":
				absent = append(absent, name)
			}
		}
		if len(same) == len(refused) || len(same) == 0 {
			return still == 0
		}
		slices.Sort(same)
		slices.Sort(absent)
		t.probes = append(t.probes, same, absent)
		return true
	})
}

// resendUnchanged looks for refused names that are to be, by now, as the client had them before.
// It may have taken some of the refused response, so it is told.
func (p *watch) resendUnchanged() {
	t := p.rejections
	for name, version := range t.refused {
		r := p.want.get(name)
		if p.asks(name) && versionOf(r) != version && sameContent(r, p.sent.get(name)) {
			delete(t.refused, name)
			if r != nil || p.sendsWhole() {
				p.resend(name)
				continue
			}
			taken := []change{{name: name, new: placeholder(p.typeURL, name, version)}} // so that its removal is ordered
			p.sent = &content{table: p.sent.with(taken), position: p.sent.position}
			p.acked = p.sent
			t.removed[name] = true // it may have it, and may lack it
		}
	}
	for name := range t.removed {
		if r := p.want.get(name); r != nil && sameContent(r, p.sent.get(name)) {
			delete(t.removed, name)
			p.resend(name)
		}
	}
}

// resend has the state of a name sent once more.
func (p *watch) resend(name string) {
	if p.sendsWhole() {
		p.answerDue, p.touched = true, appendRepeats(p.touched, name)
	} else {
		p.resends = appendRepeats(p.resends, name)
	}
}

// isRefused says whether the client refused exactly this change.
func (p *watch) isRefused(ch change) bool {
	if p.rejections == nil {
		return false
	}
	version, refused := p.rejections.refused[ch.name]
	return refused && version == versionOf(ch.new)
}

func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.version
}

// isolates says whether parts of a refused response are offered again to find the culprit.
func (p *watch) isolates() bool { return p.session.rules.isolate && p.session.delta }

// nextProbe returns the changes of the next group to offer on its own, without what is
// another content by now. What the client does not ask for at the moment stays for later.
func (p *watch) nextProbe() []change {
	t := p.rejections
	for i, names := range t.probes {
		var changes []change
		var absent []string
		for _, name := range names {
			r := p.want.get(name)
			ch := change{name: name, old: p.sent.get(name), new: r}
			switch {
			case r != nil && p.isRefused(ch):
				changes = append(changes, ch)
			case r == nil && t.refused[name] != "":
				absent = append(absent, name)
			}
		}
		t.probes[i] = absent
		if len(changes) > 0 {
			return changes
		}
	}
	t.probes = slices.DeleteFunc(t.probes, func(names []string) bool { return len(names) == 0 })
	return nil
}
