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
	retries         [][]string          // groups of refused names to be offered on their own
	removed         map[string]bool     // names whose removal was refused with other changes: the client may lack them
}

// mayLack says whether the client may have lost name by a response that it refused.
func (t *rejections) mayLack(name string) bool { return t != nil && t.removed[name] }

// accept forgets what was refused and has now been accepted, alone or in another content. Where the content that
// the client has was only sent again, it does not count as another as long as the refused one is current.
func (w *watch) accept(f *pendingResponse) {
	t := w.rejections
	if t == nil {
		return
	}
	for _, ch := range f.list.changes {
		if ch.new != nil && (!sameContent(ch.old, ch.new) || t.refused[ch.name] != versionOf(w.want.get(ch.name))) {
			delete(t.refused, ch.name)
		}
		delete(t.removed, ch.name)
	}
	w.forgetRejections()
}

// forgetRejections ends the record of rejections when nothing of it is left.
func (w *watch) forgetRejections() {
	if t := w.rejections; t != nil && len(t.refused)+len(t.removed) == 0 {
		w.rejections = nil
	}
}

// forgetRefused forgets rejections of what the client no longer asks for.
func (w *watch) forgetRefused() {
	t := w.rejections
	if t == nil {
		return
	}
	for name := range t.refused {
		if !w.asks(name) {
			delete(t.refused, name)
		}
	}
	for name := range t.removed {
		if !w.asks(name) {
			delete(t.removed, name)
		}
	}
	w.forgetRejections()
}

// refuse takes a NACK: the changes of the response are not sent again (C029), and each name counts as
// the object that was acknowledged last.
func (w *watch) refuse(now time.Time, f *pendingResponse, message string) {
	if w.rejections == nil {
		w.rejections = &rejections{refused: map[string]string{}, removed: map[string]bool{}}
	}
	t := w.rejections
	w.sent = w.acked
	names := t.record(w.acked, f.list)
	t.latest = &Rejection{
		Type: w.typeURL, Version: f.version, Message: message, Time: now, Names: names, Culprit: len(names) == 1,
	}
	for i, group := range t.retries {
		t.retries[i] = without(group, names) // they are others by now, and refused as such
	}
	switch {
	case len(names) == 1:
	case w.isolates():
		half := len(names) / 2
		t.retries = slices.Insert(t.retries, 0, names[:half], names[half:])
	default:
		t.refusedTogether = append(t.refusedTogether, t.versions(names))
	}
	w.repeatRefused(f, names)
	w.retainRefused(now, f.list, names)
	w.refreshSoon(now, w.acked)
	w.session.waker.rejected(*t.latest)
	w.forgetRefused() // the client may have dropped names before it answered
	w.session.group.changed(w.session)
}

// repeatRefused sends again what a rejected response had although it did not change, and, of the resources that the
// client waits for, the version that it has.
func (w *watch) repeatRefused(f *pendingResponse, names []string) {
	if w.sendsWhole() || len(names) == 0 {
		return
	}
	w.parentChanged = appendRepeats(w.parentChanged, f.parentChanged...)
	for _, ch := range f.list.changes {
		if ch.new != nil && ch.new.wire != nil && sameContent(w.acked.get(ch.name), ch.new) {
			w.parentChanged = appendRepeats(w.parentChanged, ch.name)
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
func (w *watch) reconsider() {
	if w.rejections == nil {
		return
	}
	if t := w.rejections; w.sendsWhole() && w.hasUnknownState() {
		// Nothing can be kept as the client had it, so all is offered again once any of it is another.
		if t.latest.Version != w.want.version() {
			clear(t.refused)
			t.refusedTogether = nil
		}
		return
	}
	w.resendUnchanged()
	w.offerNeighbors()
}

// offerNeighbors makes sure that good neighbours of a bad resource are not withheld with it: when one
// of several that were refused together is another by now, or gone, the others are offered on
// their own, after what changed. Only the whole was refused (C029).
func (w *watch) offerNeighbors() {
	t := w.rejections
	t.refusedTogether = slices.DeleteFunc(t.refusedTogether, func(refused map[string]string) bool {
		var same, absent []string
		still := 0
		for name, version := range refused {
			if t.refused[name] != version {
				continue
			}
			still++
			switch versionOf(w.want.get(name)) {
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
		t.retries = append(t.retries, same, absent)
		return true
	})
}

// resendUnchanged looks for refused names that are to be, by now, as the client had them before.
// It may have taken some of the refused response, so it is told.
func (w *watch) resendUnchanged() {
	t := w.rejections
	for name, version := range t.refused {
		r := w.want.get(name)
		if w.asks(name) && versionOf(r) != version && sameContent(r, w.sent.get(name)) {
			delete(t.refused, name)
			if r != nil || w.sendsWhole() {
				w.resend(name)
				continue
			}
			taken := []change{{name: name, new: placeholder(w.typeURL, name, version)}} // so that its removal is ordered
			w.sent = &content{table: w.sent.with(taken), position: w.sent.position}
			w.acked = w.sent
			t.removed[name] = true // it may have it, and may lack it
		}
	}
	for name := range t.removed {
		if r := w.want.get(name); r != nil && sameContent(r, w.sent.get(name)) {
			delete(t.removed, name)
			w.resend(name)
		}
	}
}

// resend has the state of a name sent once more.
func (w *watch) resend(name string) {
	if w.sendsWhole() {
		w.answerDue, w.parentChanged = true, appendRepeats(w.parentChanged, name)
	} else {
		w.resends = appendRepeats(w.resends, name)
	}
}

// isRefused says whether the client refused exactly this change.
func (w *watch) isRefused(ch change) bool {
	if w.rejections == nil {
		return false
	}
	version, refused := w.rejections.refused[ch.name]
	return refused && version == versionOf(ch.new)
}

func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.version
}

// isolates says whether parts of a refused response are offered again to find the culprit.
func (w *watch) isolates() bool { return w.session.rules.isolate && w.session.delta }

// nextRetry returns the changes of the next group to offer on its own, without what is
// another content by now. What the client does not ask for at the moment stays for later.
func (w *watch) nextRetry() []change {
	t := w.rejections
	for i, names := range t.retries {
		var changes []change
		var absent []string
		for _, name := range names {
			r := w.want.get(name)
			ch := change{name: name, old: w.sent.get(name), new: r}
			switch {
			case r != nil && w.isRefused(ch):
				changes = append(changes, ch)
			case r == nil && t.refused[name] != "":
				absent = append(absent, name)
			}
		}
		t.retries[i] = absent
		if len(changes) > 0 {
			return changes
		}
	}
	t.retries = slices.DeleteFunc(t.retries, func(names []string) bool { return len(names) == 0 })
	return nil
}
