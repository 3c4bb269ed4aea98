package xds

import (
	"iter"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// respond returns the response of this type to send now, nil when there is none: an update, or else
// a heartbeat.
func (p *watch) respond(now time.Time) *response {
	if r := p.update(now); r != nil {
		return r
	}
	return p.heartbeat(now)
}

// update returns a response with what changed. At most one is unacknowledged, and everything
// that changed meanwhile is in the next.
func (p *watch) update(now time.Time) *response {
	if p.pending != nil || p.want == nil || p.fresh {
		return nil
	}
	if p.claims != nil {
		p.recognize(now)
	}
	if len(p.unsure) > 0 {
		p.recognizeDecided()
	}
	p.reconsider()
	if p.idle == p.want && !p.repeats.any() && (len(p.withheld) == 0 || p.checked == p.session.group.epoch && !p.due(now)) {
		return nil
	}
	r := p.send(now)
	if r == nil && p.rejections != nil && len(p.rejections.probes) > 0 { // what had to go first needed no words
		r = p.sendSelected(now)
	}
	if r == nil {
		p.idle = p.want
	}
	return r
}

// orders says whether what is sent may have to wait: not the first answer to a client that comes up.
// It uses nothing yet, and would only come up later.
func (p *watch) orders() bool {
	return p.answered || !p.returned.IsZero() || p.session.group.serves()
}

// send returns a response with what the client lacks, as much as may go now and goes into one.
func (p *watch) send(now time.Time) *response {
	for {
		d := p.plain(now)
		if d == nil {
			return p.sendSelected(now)
		}
		if r := p.sendDifference(now, d, d.result); r != nil || d.result == p.want {
			return r
		}
	}
}

// plain returns what the client lacks, as much as goes into a response, nil when some of it may
// have to wait or there is more to be said.
func (p *watch) plain(now time.Time) *difference {
	if len(p.resends)+len(p.touched)+len(p.withheld)+len(p.want.undecided) > 0 || p.rejections != nil {
		return nil
	}
	lacking := p.want.firstSince
	if p.sendsWhole() {
		lacking = p.want.since
	}
	d := lacking(p.sent, p.shared)
	if d.claims || d.needs && p.orders() && p.session.group.mayHold(p, d, now) {
		return nil
	}
	return d
}

// sendsWhole says whether responses hold the whole subscribed state.
func (p *watch) sendsWhole() bool { return !p.session.delta && (p.whole || p.wildcard) }

// sendDifference returns a response with d, after which the client has result, or nil when there
// is nothing to say.
func (p *watch) sendDifference(now time.Time, d *difference, result *content) *response {
	silent := d.added == 0
	if p.session.delta || p.sendsWhole() {
		silent = len(d.changes) == 0
	}
	missing := p.unreported(d, result)
	if silent && (!p.answerDue || p.awaitsDecision()) && len(missing) == 0 {
		p.adopt(result) // removals that state-of-the-world cannot express (C055)
		p.forgetRejections()
		return nil
	}
	s := p.session
	r := &response{session: s, watch: p, delta: s.delta, nonce: s.newNonce(), version: d.version, list: d, missing: missing}
	v := variantOf(s.delta, s.ttl)
	if p.sendsWhole() {
		r.whole = result
		r.body = result.body(v, p.typeURL, p.bodyCache())
	} else {
		r.body = d.body(v, p.typeURL, p.bodyCache())
	}
	p.pending = &pendingResponse{nonce: r.nonce, result: result, position: p.want.position, list: d, version: r.version, usable: p.usableBefore(now, d)}
	p.sent, p.nonce, p.sentAt = result, r.nonce, now
	p.answered, p.answerDue, p.idle = true, false, nil
	p.noteSent(now, r)
	s.group.touch(p, d)
	if len(s.group.sessions) > 1 {
		s.group.changed(s) // what waits for the answer waits no longer than the OrderTimeout
	}
	return r
}

// body cache keeps what is encoded for this watch, nil when no other stream asks for the same.
func (p *watch) bodyCache() *bodyCache {
	if !p.shared {
		return nil
	}
	return p.session.rules.bodyCache
}

// sendSelected returns a response with the part of what the client lacks that may go now, and
// with what has to be said again.
func (p *watch) sendSelected(now time.Time) *response {
	sel := p.choose(now)
	if p.sendsWhole() && len(sel.kept) > 0 && p.hasUnknownState() {
		return nil // what the response did not have it would take away from the client
	}
	if p.rejections != nil && len(sel.changes) == 0 {
		sel.changes = p.nextProbe()
		sel.probe = len(sel.changes) > 0
	}
	towards := p.want.table
	if sel.cut {
		towards = sel.step.table()
	}
	result := p.want.derive(towards.with(sel.kept))
	if sel.probe {
		result = p.want.derive(p.sent.with(sel.changes))
	}
	if p.sendsWhole() {
		sel.changes = slices.Collect(p.sent.changes(result.table))
	}
	r := p.sendDifference(now, p.want.custom(sel.changes, result.version(), p.shared), result)
	if r != nil {
		p.pending.touched = sel.touched
	}
	return r
}

// selection is what of a difference is sent now.
type selection struct {
	changes []change
	kept    []change // what the client keeps meanwhile, as changes to what there is
	size    int
	probe   bool
	step    *step // past all changes that were looked at
	cut     bool  // the response is full: the further changes were not looked at

	touched  []string // names that were to be sent again because what refers to them changed
	repeated []change // of changes, and of the next response: what did not change; by name
}

// choose divides what the client lacks, and the names to be said again, into what goes and what stays.
func (p *watch) choose(now time.Time) *selection {
	sel := &selection{step: p.sent.stepTo(p.want.table)}
	check := p.session.group.check(p, now)
	orders := p.orders()
	var unknown *Resource
	for ch := range p.lacking() {
		switch {
		case ch.old.isUnknownState():
			unknown = ch.old
		case p.isRefused(ch) || orders && check.holds(ch) || ch.new == nil && p.want.isUndecided(ch.name):
			sel.kept = append(sel.kept, change{name: ch.name, new: ch.old})
		case p.tooLarge(sel, ch):
			sel.cut = true
		default:
			sel.take(ch)
		}
		if sel.cut {
			break
		}
		sel.step.pass(ch)
	}
	p.addResends(sel)
	if unknown != nil && !p.sendsWhole() && (sel.cut || len(sel.kept) > 0 || orders && check.holds(change{name: unknownState, old: unknown})) {
		sel.kept = append(sel.kept, change{name: unknownState, new: unknown})
	}
	check.done(sel)
	slices.SortStableFunc(sel.changes, func(a, b change) int { return strings.Compare(a.name, b.name) })
	return sel
}

// keeps returns what the client keeps under a name of which the change waits, nil when that is nothing.
func (sel *selection) keeps(name string) *Resource {
	i, found := slices.BinarySearchFunc(sel.kept, name, compareChange)
	if !found || sel.kept[i].new == nil || sel.kept[i].new.placeholder {
		return nil
	}
	return sel.kept[i].new
}

// lacking yields what the client lacks, from the difference that streams share unless it is too large
// for one response.
func (p *watch) lacking() iter.Seq[change] {
	if d := p.want.firstSince(p.sent, p.shared); d.result == p.want {
		return slices.Values(d.changes)
	}
	return p.sent.changes(p.want.table)
}

// saw says whether a change of name would have been looked at.
func (sel *selection) saw(name string) bool { return !sel.cut || name <= sel.step.last }

func (sel *selection) take(ch change) {
	sel.changes = append(sel.changes, ch)
	sel.size += ch.size()
}

// tooLarge says whether ch has to wait for the next response because of the size (C086).
func (p *watch) tooLarge(sel *selection, ch change) bool {
	if p.sendsWhole() || ch.new == nil && !p.session.delta {
		return false
	}
	return len(sel.changes) > 0 && sel.size+ch.size() > maxResponse
}

// addResends adds what is owed an answer though it did not change, and what is touched. What
// changes or goes is said as such, in its time.
func (p *watch) addResends(sel *selection) {
	var all []change
	for _, name := range p.resends {
		all = p.repeat(all, name, true)
	}
	var later []string
	for _, name := range p.touched {
		if !sel.saw(name) {
			later = append(later, name)
			continue
		}
		sel.touched = append(sel.touched, name)
		if r := sel.keeps(name); r != nil {
			all = append(all, change{name: name, old: r, new: r})
			continue
		}
		all = p.repeat(all, name, false)
	}
	slices.SortFunc(all, func(a, b change) int { return strings.Compare(a.name, b.name) })
	all = slices.CompactFunc(all, func(a, b change) bool { return a.name == b.name }) // C012
	p.resends, p.touched = p.undecidedOf(p.resends), later
	for i, ch := range all {
		if p.tooLarge(sel, ch) {
			for _, later := range all[i:] {
				p.resends = append(p.resends, later.name)
			}
			break
		}
		sel.take(ch)
	}
	sel.repeated = all
}

// repeat appends to all what the client means by name, which was asked for again or else is
// touched. That may be several resources, when it is an alias or a glob collection.
func (p *watch) repeat(all []change, name string, asked bool) []change {
	exists := false
	for r := range p.want.named(name) {
		exists = true
		if ch := (change{name: r.name, old: r, new: r}); sameContent(p.sent.get(r.name), r) && !p.isRefused(ch) {
			all = append(all, ch)
		}
	}
	if !exists && asked && p.session.delta && p.sent.get(name) == nil && !p.want.isUndecided(name) {
		all = append(all, p.missing(name))
	}
	return all
}

// missing is the answer to a name that does not exist. For a virtual host it is a resource
// without a body, for which a request at the proxy is waiting (C112).
func (p *watch) missing(name string) change {
	if p.typeURL != VirtualHostType {
		return change{name: name}
	}
	host := name[strings.LastIndexByte(name, '/')+1:]
	return change{name: name, new: &Resource{typeURL: p.typeURL, name: name, aliases: []string{host}}}
}

// tailOf returns what of a response is the stream's own: the nonce and the server's name.
func tailOf(r *response, identifier string) []byte {
	b := make([]byte, 0, len(r.nonce)+len(identifier)+8)
	b = appendStringField(b, fieldNonce, r.nonce)
	b = appendErrors(b, r.missing, r.delta)
	if identifier == "" {
		return b
	}
	number := protowire.Number(fieldSotWControlPlane)
	if r.delta {
		number = fieldDeltaControlPlane
	}
	b = protowire.AppendTag(b, number, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(1)+protowire.SizeBytes(len(identifier))))
	return appendStringField(b, 1, identifier)
}
