package xds

import (
	"slices"
	"time"
)

// rejections are what a client refused of a type and has not accepted since. A nil pointer is none.
type rejections struct {
	parked   map[string]string   // name -> version refused; "" is its removal
	latest   *Rejection          // until all is accepted
	together []map[string]string // name -> version: refused as a whole, so that not all need be bad
	probes   [][]string          // groups of parked names to be offered on their own
	removed  map[string]bool     // names whose removal was refused with other changes: the client may lack them
}

// mayLack says whether the client may have lost name by a response that it refused.
func (t *rejections) mayLack(name string) bool { return t != nil && t.removed[name] }

// accept forgets what was refused and has now been accepted in another content, or alone.
func (p *place) accept(f *pendingResponse) {
	t := p.rejections
	if t == nil {
		return
	}
	for _, ch := range f.list.changes {
		if ch.new != nil {
			delete(t.parked, ch.name)
		}
		delete(t.removed, ch.name)
	}
	for name, version := range t.parked {
		if p.want != nil && p.asks(name) && versionOf(p.want.get(name)) != version {
			delete(t.parked, name)
		}
	}
	p.forgetRejections()
}

// forgetRejections ends the record of rejections when nothing of it is left.
func (p *place) forgetRejections() {
	if t := p.rejections; t != nil && len(t.parked)+len(t.removed) == 0 {
		p.rejections = nil
	}
}

// forgetRefused forgets rejections of what the client no longer asks for.
func (p *place) forgetRefused() {
	t := p.rejections
	if t == nil {
		return
	}
	for name := range t.parked {
		if !p.asks(name) {
			delete(t.parked, name)
		}
	}
	for name := range t.removed {
		if !p.asks(name) {
			delete(t.removed, name)
		}
	}
	p.forgetRejections()
}

// refuse takes a NACK: the changes of the response are parked (C029), and each name counts as
// the object that was acknowledged last.
func (p *place) refuse(now time.Time, f *pendingResponse, message string) {
	if p.rejections == nil {
		p.rejections = &rejections{parked: map[string]string{}, removed: map[string]bool{}}
	}
	t := p.rejections
	p.sent = p.acked
	names := t.park(p.acked, f.list)
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
		t.together = append(t.together, t.versions(names))
	}
	p.repeatRefused(f.list, names)
	p.retainRefused(now, f.list, names)
	p.refreshSoon(now, p.acked)
	p.session.waker.rejected(*t.latest)
	p.session.group.changed(p.session)
}

// repeatRefused has sent once more what was only sent again in a response that was refused for something else.
func (p *place) repeatRefused(refused *difference, names []string) {
	if p.sendsWhole() || len(names) == 0 {
		return
	}
	for _, ch := range refused.changes {
		if ch.new != nil && ch.new.wire != nil && sameContent(p.acked.get(ch.name), ch.new) {
			p.touched = appendRepeats(p.touched, ch.name)
		}
	}
}

// park takes note of what a refused response would have changed, and returns the names. Removals
// are parked only when there was nothing else to refuse; what the client had already, never.
func (t *rejections) park(acked *content, refused *difference) []string {
	var names, removed []string
	for _, ch := range refused.changes {
		switch {
		case ch.new == nil:
			removed = append(removed, ch.name)
		case !sameContent(acked.get(ch.name), ch.new):
			names = append(names, ch.name)
			t.parked[ch.name] = ch.new.version
		}
	}
	if len(names) > 0 {
		for _, name := range removed {
			t.removed[name] = true
		}
		return names
	}
	for _, name := range removed {
		t.parked[name] = ""
	}
	return removed
}

// versions are those in which names are parked.
func (t *rejections) versions(names []string) map[string]string {
	versions := make(map[string]string, len(names))
	for _, name := range names {
		versions[name] = t.parked[name]
	}
	return versions
}

// reconsider looks what has become of what was refused.
func (p *place) reconsider() {
	if p.rejections == nil {
		return
	}
	if t := p.rejections; p.sendsWhole() && p.hasUnknownState() {
		// Nothing can be kept as the client had it, so all is offered again once any of it is another.
		if t.latest.Version != p.want.sum.version() {
			clear(t.parked)
			t.together = nil
		}
		return
	}
	p.takeBack()
	p.separate()
}

// separate sees to it that good neighbours of a bad resource are not kept away with it: when one
// of several that were refused together is another by now, or gone, the others are offered on
// their own, after what changed. Only the whole was refused (C029).
func (p *place) separate() {
	t := p.rejections
	t.together = slices.DeleteFunc(t.together, func(refused map[string]string) bool {
		var same, absent []string
		parked := 0
		for name, version := range refused {
			if t.parked[name] != version {
				continue
			}
			parked++
			switch versionOf(p.want.get(name)) {
			case version:
				same = append(same, name)
			case "":
				absent = append(absent, name)
			}
		}
		if len(same) == len(refused) || len(same) == 0 {
			return parked == 0
		}
		slices.Sort(same)
		slices.Sort(absent)
		t.probes = append(t.probes, same, absent)
		return true
	})
}

// takeBack looks for refused names that are to be, by now, as the client had them before.
// It may have taken some of the refused response, so it is told.
func (p *place) takeBack() {
	t := p.rejections
	for name, version := range t.parked {
		r := p.want.get(name)
		if p.asks(name) && versionOf(r) != version && sameContent(r, p.sent.get(name)) {
			delete(t.parked, name)
			if r != nil || p.sendsWhole() {
				p.tellAgain(name)
				continue
			}
			taken := []change{{name: name, new: placeholder(p.typeURL, name, version)}} // so that its removal is ordered
			p.sent = &content{table: p.sent.with(taken), position: p.sent.position}
			p.acked = p.sent
			t.removed[name] = true // it may have it, and may lack it
		}
	}
	for name := range t.removed {
		if r := p.want.get(name); r != nil {
			delete(t.removed, name)
			if sameContent(r, p.sent.get(name)) {
				p.tellAgain(name)
			}
		}
	}
}

// tellAgain has the state of a name sent once more.
func (p *place) tellAgain(name string) {
	if p.sendsWhole() {
		p.owed = true
	} else {
		p.again = appendRepeats(p.again, name)
	}
}

// isParked says whether the client refused exactly this change.
func (p *place) isParked(ch change) bool {
	if p.rejections == nil {
		return false
	}
	version, parked := p.rejections.parked[ch.name]
	return parked && version == versionOf(ch.new)
}

func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.version
}

// isolates says whether parts of a refused response are offered again to find the culprit.
func (p *place) isolates() bool { return p.session.rules.isolate && p.session.delta }

// nextProbe returns the changes of the next group to offer on its own, without what is
// another content by now. What the client does not ask for at the moment stays for later.
func (p *place) nextProbe() []change {
	t := p.rejections
	for i, names := range t.probes {
		var changes []change
		var absent []string
		for _, name := range names {
			r := p.want.get(name)
			ch := change{name: name, old: p.sent.get(name), new: r}
			switch {
			case r != nil && p.isParked(ch):
				changes = append(changes, ch)
			case r == nil && t.parked[name] != "":
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
