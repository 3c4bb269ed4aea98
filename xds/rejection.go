package xds

import (
	"slices"
	"time"
)

// rejections are the changes of one type that a client rejected and has not accepted since. A nil pointer means none.
type rejections struct {
	rejected         map[string]string   // by name: the rejected version; "" for a rejected removal
	latest           *Rejection          // until everything is accepted
	rejectedTogether []map[string]string // name -> version, of responses of which only some resources may be invalid
	retries          [][]string          // groups of rejected names, each to be sent again in a response of its own
	removed          map[string]bool     // names whose removal was in a rejected response: the client may lack them
}

// mayLack reports whether the client may have removed name because of a response that it rejected.
func (t *rejections) mayLack(name string) bool { return t != nil && t.removed[name] }

// accept deletes the rejections of names that the client has now accepted, in the same version or in another. A version
// that the client had before and that was only sent again does not count while the rejected version is current.
func (w *watch) accept(f *pendingResponse) {
	t := w.rejections
	if t == nil {
		return
	}
	for _, ch := range f.list.changes {
		if ch.new != nil && (!sameContent(ch.old, ch.new) || t.rejected[ch.name] != versionOf(w.want.get(ch.name))) {
			delete(t.rejected, ch.name)
		}
		delete(t.removed, ch.name)
	}
	w.clearEmptyRejections()
}

// clearEmptyRejections clears rejections if nothing is left in it.
func (w *watch) clearEmptyRejections() {
	if t := w.rejections; t != nil && len(t.rejected)+len(t.removed) == 0 {
		w.rejections = nil
	}
}

// forgetUnsubscribedRejections deletes the rejections of names that the client does not subscribe to any more.
func (w *watch) forgetUnsubscribedRejections() {
	t := w.rejections
	if t == nil {
		return
	}
	for name := range t.rejected {
		if !w.asks(name) {
			delete(t.rejected, name)
		}
	}
	for name := range t.removed {
		if !w.asks(name) {
			delete(t.removed, name)
		}
	}
	w.clearEmptyRejections()
}

// reject handles a NACK. The changes of the response are not sent again (C029), and the client counts as having the
// version of each name that it acknowledged last.
func (w *watch) reject(now time.Time, f *pendingResponse, message string) {
	if w.rejections == nil {
		w.rejections = &rejections{rejected: map[string]string{}, removed: map[string]bool{}}
	}
	t := w.rejections
	w.sent = w.acked
	names := t.record(w.acked, f.list)
	t.latest = &Rejection{
		Type: w.typeURL, Version: f.version, Message: message, Time: now, Names: names, Culprit: len(names) == 1,
	}
	for i, group := range t.retries {
		t.retries[i] = without(group, names) // they have been rejected in a newer version
	}
	switch {
	case len(names) == 1, w.session.rules.relay:
	case w.isolates():
		half := len(names) / 2
		t.retries = slices.Insert(t.retries, 0, names[:half], names[half:])
	default:
		t.rejectedTogether = append(t.rejectedTogether, t.versions(names))
	}
	w.repeatRejected(f, names)
	w.retainRejected(now, f.list, names)
	w.refreshSoon(now, w.acked)
	w.session.waker.rejected(*t.latest)
	w.forgetUnsubscribedRejections() // the client may have unsubscribed from names before it answered
	w.session.group.changed(w.session)
}

// repeatRejected schedules the unchanged resources of a rejected response to be sent again, and those that the client
// waits for in the version that it has.
func (w *watch) repeatRejected(f *pendingResponse, names []string) {
	if w.sendsWhole() || w.session.rules.relay || len(names) == 0 {
		return
	}
	w.parentChanged = appendRepeats(w.parentChanged, f.parentChanged...)
	for _, ch := range f.list.changes {
		if ch.new != nil && ch.new.wire != nil && sameContent(w.acked.get(ch.name), ch.new) {
			w.parentChanged = appendRepeats(w.parentChanged, ch.name)
		}
	}
}

// record records the changes of a rejected response and returns their names. Removals are recorded only if there were no
// other changes. Resources that did not change are not recorded.
func (t *rejections) record(acked *content, rejected *difference) []string {
	var names, removed []string
	for _, ch := range rejected.changes {
		switch {
		case ch.new == nil:
			removed = append(removed, ch.name)
		case !sameContent(acked.get(ch.name), ch.new):
			names = append(names, ch.name)
			t.rejected[ch.name] = ch.new.version
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
		t.rejected[name] = ""
	}
	return removed
}

// offerAgain forgets that the client rejected a name.
func (w *watch) offerAgain(name string) {
	if t := w.rejections; t != nil {
		delete(t.rejected, name)
		w.clearEmptyRejections()
		w.idle = nil
	}
}

// versions returns the rejected versions of names.
func (t *rejections) versions(names []string) map[string]string {
	versions := make(map[string]string, len(names))
	for _, name := range names {
		versions[name] = t.rejected[name]
	}
	return versions
}

// reconsider looks for rejected changes that may be sent again because something else was published.
func (w *watch) reconsider() {
	if w.rejections == nil {
		return
	}
	if t := w.rejections; w.sendsWhole() && w.hasUnknownState() {
		// What the client has is not known, so everything is sent again once any resource has changed.
		if t.latest.Version != w.want.version() {
			clear(t.rejected)
			t.rejectedTogether = nil
		}
		return
	}
	w.resendUnchanged()
	w.offerNeighbors()
}

// offerNeighbors makes sure that valid resources are not withheld because they were in a response with an invalid one:
// only the response as a whole was rejected (C029). When one of its resources has changed or is gone, the others are
// sent again in a response of their own, after the one that changed.
func (w *watch) offerNeighbors() {
	t := w.rejections
	t.rejectedTogether = slices.DeleteFunc(t.rejectedTogether, func(rejected map[string]string) bool {
		var same, absent []string
		still := 0
		for name, version := range rejected {
			if t.rejected[name] != version {
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
		if len(same) == len(rejected) || len(same) == 0 {
			return still == 0
		}
		slices.Sort(same)
		slices.Sort(absent)
		t.retries = append(t.retries, same, absent)
		return true
	})
}

// resendUnchanged looks for rejected names whose current version is again the one that the client had before. It is sent
// again, because the client may have accepted a part of the rejected response.
func (w *watch) resendUnchanged() {
	t := w.rejections
	for name, version := range t.rejected {
		r := w.want.get(name)
		if w.asks(name) && versionOf(r) != version && sameContent(r, w.sent.get(name)) {
			delete(t.rejected, name)
			if r != nil || w.sendsWhole() {
				w.resend(name)
				continue
			}
			taken := []change{{name: name, new: placeholder(w.typeURL, name, version)}} // so that its removal is sent, in order
			w.sent = &content{table: w.sent.with(taken), position: w.sent.position}
			w.acked = w.sent
			t.removed[name] = true // the client may have the resource or not
		}
	}
	for name := range t.removed {
		if r := w.want.get(name); r != nil && sameContent(r, w.sent.get(name)) {
			delete(t.removed, name)
			w.resend(name)
		}
	}
}

// resend schedules the current state of a name to be sent again.
func (w *watch) resend(name string) {
	if w.sendsWhole() {
		w.answerDue, w.parentChanged = true, appendRepeats(w.parentChanged, name)
	} else {
		w.resends = appendRepeats(w.resends, name)
	}
}

// isRejected reports whether the client rejected exactly this change.
func (w *watch) isRejected(ch change) bool {
	if w.rejections == nil {
		return false
	}
	version, rejected := w.rejections.rejected[ch.name]
	return rejected && version == versionOf(ch.new)
}

func versionOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.version
}

// isolates reports whether the halves of a rejected response are sent again to find the invalid resource.
func (w *watch) isolates() bool { return w.session.rules.isolate && w.session.delta }

// nextRetry returns the changes of the next group to be sent again, without those that have changed since. Names that
// the client does not subscribe to at the moment stay in the group.
func (w *watch) nextRetry() []change {
	t := w.rejections
	for i, names := range t.retries {
		var changes []change
		var absent []string
		for _, name := range names {
			r := w.want.get(name)
			ch := change{name: name, old: w.sent.get(name), new: r}
			switch {
			case r != nil && w.isRejected(ch):
				changes = append(changes, ch)
			case r == nil && t.rejected[name] != "":
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
