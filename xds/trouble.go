package xds

import (
	"slices"
	"time"
)

// trouble is what a place has only while something was refused or has to wait.
type trouble struct {
	parked   map[string]string   // name -> version refused; "" is its removal
	rejected *Rejection          // the latest, until accepted
	together []map[string]string // name -> version: refused as a whole, so that not all need be bad
	probes   [][]string          // groups of parked names to be offered on their own
	holds    map[string]*hold    // by name
}

// needTrouble returns the place's trouble, made when it has none.
func (p *place) needTrouble() *trouble {
	if p.trouble == nil {
		p.trouble = &trouble{parked: map[string]string{}, holds: map[string]*hold{}}
	}
	return p.trouble
}

// finish drops the trouble when it is over.
func (p *place) finish() {
	if t := p.trouble; t != nil && len(t.parked) == 0 && len(t.holds) == 0 && t.rejected == nil {
		p.trouble = nil
	}
}

// settle takes the answer to the response in flight: an ACK or a NACK.
func (p *place) settle(now time.Time, r *request) {
	f := p.flight
	if f == nil {
		return // a further request with a nonce that was settled already
	}
	p.flight, p.idle = nil, nil
	if r.refused {
		p.refuse(now, f, r.message)
		return
	}
	p.ackedAt = now
	if f.beat {
		return
	}
	p.acked, p.position = f.result, f.position
	if f.shrunk {
		p.sent = p.taken(f)
		p.acked = p.sent
	}
	if p.trouble != nil {
		p.accept(f)
	}
	p.session.group.acknowledged(p, f.list)
}

// taken is what the client has after a response that was in flight while it let go of names
// and perhaps asked for them again.
func (p *place) taken(f *flight) *content {
	if p.sendsWhole() {
		return p.limit(f.result, nil)
	}
	var added []change
	for _, ch := range f.list.changes {
		if ch.new != nil && ch.new.wire != nil && p.asksFor(ch.new) {
			added = append(added, ch)
		}
	}
	return &content{table: p.sent.with(added), position: p.sent.position}
}

// accept forgets what was parked and has now been accepted in another content, or alone.
func (p *place) accept(f *flight) {
	for _, ch := range f.list.changes {
		if ch.new != nil {
			delete(p.parked, ch.name)
		}
	}
	for name, version := range p.parked {
		if p.want != nil && (p.wildcard || p.named(name)) && versionOf(p.want.get(name)) != version {
			delete(p.parked, name)
		}
	}
	if len(p.parked) == 0 {
		p.rejected, p.together, p.probes = nil, nil, nil
	}
	p.finish()
}

// refuse takes a NACK: the changes of the response are parked (C029), and each name counts as
// the object that was acknowledged last.
func (p *place) refuse(now time.Time, f *flight, message string) {
	t := p.needTrouble()
	p.sent = p.acked
	names := t.park(p.acked, f.list)
	t.rejected = &Rejection{
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
	p.session.group.rejected(p, *t.rejected)
}

// park takes note of what a refused response would have changed, and returns the names. Removals
// are parked only when there was nothing else to refuse; what the client had already, never.
func (t *trouble) park(acked *content, refused *difference) []string {
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
		return names
	}
	for _, name := range removed {
		t.parked[name] = ""
	}
	return removed
}

// versions are those in which names are parked.
func (t *trouble) versions(names []string) map[string]string {
	versions := make(map[string]string, len(names))
	for _, name := range names {
		versions[name] = t.parked[name]
	}
	return versions
}

// reconsider looks what has become of what was refused.
func (p *place) reconsider() {
	if p.trouble == nil {
		return
	}
	p.takeBack()
	p.separate()
}

// separate sees to it that good neighbours of a bad resource are not kept away with it: when one
// of several that were refused together is another by now, or gone, the others are offered on
// their own, after what changed. Only the whole was refused (C029).
func (p *place) separate() {
	p.together = slices.DeleteFunc(p.together, func(refused map[string]string) bool {
		var same, absent []string
		parked := 0
		for name, version := range refused {
			if p.parked[name] != version {
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
		p.probes = append(p.probes, same, absent)
		return true
	})
}

// takeBack looks for refused names that are to be, by now, as the client had them before.
// It may have taken some of the refused response, so it is told.
func (p *place) takeBack() {
	for name, version := range p.parked {
		r := p.want.get(name)
		if !p.wildcard && !p.named(name) || versionOf(r) == version || !sameContent(r, p.sent.get(name)) {
			continue
		}
		delete(p.parked, name)
		if p.sendsWhole() {
			p.owed = true
		} else {
			p.again = append(p.again, name)
		}
	}
}

// isParked says whether the client refused exactly this change.
func (p *place) isParked(ch change) bool {
	if p.trouble == nil {
		return false
	}
	version, parked := p.parked[ch.name]
	return parked && version == versionOf(ch.new)
}

func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.version
}

// isolates says whether parts of a refused response are offered again to find the culprit.
func (p *place) isolates() bool {
	return p.session.rules.isolate && p.session.delta && p.trouble != nil
}

// nextProbe returns the changes of the next group to offer on its own, without what is
// another content by now. What the client does not ask for at the moment stays for later.
func (p *place) nextProbe() []change {
	for i, names := range p.probes {
		var changes []change
		var absent []string
		for _, name := range names {
			r := p.want.get(name)
			ch := change{name: name, old: p.sent.get(name), new: r}
			switch {
			case r != nil && p.isParked(ch):
				changes = append(changes, ch)
			case r == nil && p.parked[name] != "":
				absent = append(absent, name)
			}
		}
		p.probes[i] = absent
		if len(changes) > 0 {
			return changes
		}
	}
	p.probes = slices.DeleteFunc(p.probes, func(names []string) bool { return len(names) == 0 })
	return nil
}
