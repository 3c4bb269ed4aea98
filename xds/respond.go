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
func (w *watch) respond(now time.Time) *response {
	if r := w.update(now); r != nil {
		return r
	}
	return w.heartbeat(now)
}

// update returns a response with what changed. At most one is unacknowledged, and everything
// that changed meanwhile is in the next.
func (w *watch) update(now time.Time) *response {
	if w.pending != nil || w.want == nil || w.fresh {
		return nil
	}
	if w.claims != nil {
		w.recognize(now)
	}
	if len(w.unsure) > 0 {
		w.recognizeDecided()
	}
	w.reconsider()
	if w.idle == w.want && !w.repeats.any() && (len(w.withheld) == 0 || w.checked == w.session.group.epoch && !w.due(now)) {
		return nil
	}
	r := w.send(now)
	if r == nil && w.rejections != nil && len(w.rejections.retries) > 0 { // what had to go first needed no words
		r = w.sendSelected(now)
	}
	if r == nil {
		w.idle = w.want
	}
	return r
}

// orders says whether what is sent may have to wait: not the first answer to a client that comes up.
// It uses nothing yet, and would only come up later.
func (w *watch) orders() bool {
	return w.answered || !w.returned.IsZero() || w.session.group.serves()
}

// send returns a response with what the client lacks, as much as may go now and goes into one.
func (w *watch) send(now time.Time) *response {
	for {
		d := w.plain(now)
		if d == nil {
			return w.sendSelected(now)
		}
		if r := w.sendDifference(now, d, d.result); r != nil || d.result == w.want {
			return r
		}
	}
}

// plain returns what the client lacks, as much as goes into a response, nil when some of it may
// have to wait or there is more to be said.
func (w *watch) plain(now time.Time) *difference {
	if len(w.resends)+len(w.parentChanged)+len(w.withheld)+len(w.want.undecided) > 0 || w.rejections != nil {
		return nil
	}
	lacking := w.want.firstSince
	if w.sendsWhole() {
		lacking = w.want.since
	}
	d := lacking(w.sent, w.shared)
	if d.claims || d.needs && w.orders() && w.session.group.mayWithhold(w, d, now) {
		return nil
	}
	return d
}

// sendsWhole says whether responses hold the whole subscribed state.
func (w *watch) sendsWhole() bool { return !w.session.delta && (w.whole || w.wildcard) }

// sendDifference returns a response with d, after which the client has result, or nil when there
// is nothing to say.
func (w *watch) sendDifference(now time.Time, d *difference, result *content) *response {
	silent := d.added == 0
	if w.session.delta || w.sendsWhole() {
		silent = len(d.changes) == 0
	}
	missing := w.unreported(d, result)
	if silent && (!w.answerDue || w.awaitsDecision()) && len(missing) == 0 {
		w.adopt(result) // removals that state-of-the-world cannot express (C055)
		w.clearEmptyRejections()
		return nil
	}
	s := w.session
	r := &response{session: s, watch: w, delta: s.delta, nonce: s.newNonce(), version: d.version, list: d, missing: missing}
	v := variantOf(s.delta, s.ttl)
	if w.sendsWhole() {
		r.whole = result
		r.body = result.body(v, w.typeURL, w.bodyCache())
	} else {
		r.body = d.body(v, w.typeURL, w.bodyCache())
	}
	w.pending = &pendingResponse{nonce: r.nonce, result: result, position: w.want.position, list: d, version: r.version, usable: w.usableBefore(now, d)}
	w.sent, w.nonce, w.sentAt = result, r.nonce, now
	w.answered, w.answerDue, w.idle = true, false, nil
	w.noteSent(now, r)
	s.group.resendDependents(w, d)
	if len(s.group.sessions) > 1 {
		s.group.changed(s) // what waits for the answer waits no longer than the OrderTimeout
	}
	return r
}

// body cache keeps what is encoded for this watch, nil when no other stream asks for the same.
func (w *watch) bodyCache() *bodyCache {
	if !w.shared {
		return nil
	}
	return w.session.rules.bodyCache
}

// sendSelected returns a response with the part of what the client lacks that may go now, and
// with what has to be said again.
func (w *watch) sendSelected(now time.Time) *response {
	sel := w.choose(now)
	if w.sendsWhole() && len(sel.kept) > 0 && w.hasUnknownState() {
		return nil // what the response did not have it would take away from the client
	}
	if w.rejections != nil && len(sel.changes) == 0 {
		sel.changes = w.nextRetry()
		sel.retry = len(sel.changes) > 0
	}
	towards := w.want.table
	if sel.cut {
		towards = sel.step.table()
	}
	result := w.want.derive(towards.with(sel.kept))
	if sel.retry {
		result = w.want.derive(w.sent.with(sel.changes))
	}
	if w.sendsWhole() {
		sel.changes = slices.Collect(w.sent.changes(result.table))
	}
	r := w.sendDifference(now, w.want.custom(sel.changes, result.version(), w.shared), result)
	if r != nil {
		w.pending.parentChanged = sel.parentChanged
	}
	return r
}

// selection is what of a difference is sent now.
type selection struct {
	changes []change
	kept    []change // what the client keeps meanwhile, as changes to what there is
	size    int
	retry   bool
	step    *step // past all changes that were looked at
	cut     bool  // the response is full: the further changes were not looked at

	parentChanged []string // names that were to be sent again because what refers to them changed
	repeated      []change // of changes, and of the next response: what did not change; by name
}

// choose divides what the client lacks, and the names to be said again, into what goes and what stays.
func (w *watch) choose(now time.Time) *selection {
	sel := &selection{step: w.sent.stepTo(w.want.table)}
	check := w.session.group.check(w, now)
	orders := w.orders()
	var unknown *Resource
	for ch := range w.lacking() {
		switch {
		case ch.old.isUnknownState():
			unknown = ch.old
		case w.isRejected(ch) || orders && check.withholds(ch) || ch.new == nil && w.want.isUndecided(ch.name):
			sel.kept = append(sel.kept, change{name: ch.name, new: ch.old})
		case w.tooLarge(sel, ch):
			sel.cut = true
		default:
			sel.take(ch)
		}
		if sel.cut {
			break
		}
		sel.step.pass(ch)
	}
	w.addResends(sel)
	if unknown != nil && !w.sendsWhole() && (sel.cut || len(sel.kept) > 0 || orders && check.withholds(change{name: unknownState, old: unknown})) {
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
func (w *watch) lacking() iter.Seq[change] {
	if d := w.want.firstSince(w.sent, w.shared); d.result == w.want {
		return slices.Values(d.changes)
	}
	return w.sent.changes(w.want.table)
}

// saw says whether a change of name would have been looked at.
func (sel *selection) saw(name string) bool { return !sel.cut || name <= sel.step.last }

func (sel *selection) take(ch change) {
	sel.changes = append(sel.changes, ch)
	sel.size += ch.size()
}

// tooLarge says whether ch has to wait for the next response because of the size (C086).
func (w *watch) tooLarge(sel *selection, ch change) bool {
	if w.sendsWhole() || ch.new == nil && !w.session.delta {
		return false
	}
	return len(sel.changes) > 0 && sel.size+ch.size() > maxResponse
}

// addResends adds what has to be sent although it did not change: what the client asked for again, and what depends
// on something that changed. What changes or is removed itself is sent as a change.
func (w *watch) addResends(sel *selection) {
	var all []change
	for _, name := range w.resends {
		all = w.repeat(all, name, true)
	}
	var later []string
	for _, name := range w.parentChanged {
		if !sel.saw(name) {
			later = append(later, name)
			continue
		}
		sel.parentChanged = append(sel.parentChanged, name)
		if r := sel.keeps(name); r != nil {
			all = append(all, change{name: name, old: r, new: r})
			continue
		}
		all = w.repeat(all, name, false)
	}
	slices.SortFunc(all, func(a, b change) int { return strings.Compare(a.name, b.name) })
	all = slices.CompactFunc(all, func(a, b change) bool { return a.name == b.name }) // C012
	w.resends, w.parentChanged = w.undecidedOf(w.resends), later
	for i, ch := range all {
		if w.tooLarge(sel, ch) {
			for _, later := range all[i:] {
				w.resends = append(w.resends, later.name)
			}
			break
		}
		sel.take(ch)
	}
	sel.repeated = all
}

// repeat appends to all what the client means by name, which it asked for again, or else depends
// on something that changed. That may be several resources, when it is an alias or a glob collection.
func (w *watch) repeat(all []change, name string, asked bool) []change {
	exists := false
	for r := range w.want.named(name) {
		exists = true
		if ch := (change{name: r.name, old: r, new: r}); sameContent(w.sent.get(r.name), r) && !w.isRejected(ch) {
			all = append(all, ch)
		}
	}
	if !exists && asked && w.session.delta && w.sent.get(name) == nil && !w.want.isUndecided(name) {
		all = append(all, w.missing(name))
	}
	return all
}

// missing is the answer to a name that does not exist. For a virtual host it is a resource
// without a body, for which a request at the proxy is waiting (C112).
func (w *watch) missing(name string) change {
	if w.typeURL != VirtualHostType {
		return change{name: name}
	}
	host := name[strings.LastIndexByte(name, '/')+1:]
	return change{name: name, new: &Resource{typeURL: w.typeURL, name: name, aliases: []string{host}}}
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
