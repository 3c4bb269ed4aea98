package xds

import (
	"iter"
	"slices"
	"time"
)

// A watch is the state of one type on one stream: what the client asks for, what there is for it,
// what it was sent and what it acknowledged. doc.go draws its states.
type watch struct {
	*kind
	session *session

	requested
	available
	delivered
	repeats
	heartbeats

	rejections *rejections                // what the client rejected; nil when nothing
	withheld   map[string]*withheldChange // changes that wait, by name
	idle       *content                   // want, when nothing was to be sent towards it
	checked    uint64                     // the group's epoch when withheld was looked at last
	tallied    tally                      // how the server's totals count it
}

// requested is what the client asks for.
type requested struct {
	fresh     bool // no request came yet
	everNamed bool // a name was asked for on this stream: no names no longer means all (C046)
	wildcard  bool
	asked     []string     // names, canonical, besides the wildcard
	last      encodedNames // of the last request, in state-of-the-world
	parts     []*subscription
	slot      []*slot
}

// available is what there is for the client; set by the group's load.
type available struct {
	want     *content   // nil until everything that it consists of is published
	shared   bool       // other streams ask for the same
	contents []*content // of the parts
	merged   []*content // those of which want was made, when there are several
}

// delivered is what the client was sent and what it answered. A client that comes back says
// what it has. What of that is not what there is by now is in sent and acked as placeholders.
type delivered struct {
	sent     *content // what the client has once it accepts the pending response
	acked    *content
	position uint64           // of the content that was acknowledged last
	pending  *pendingResponse // nil when none
	retained map[string]*retention
	stale    map[string]*Resource // what was removed and the client still asks for: it may have kept it
	nonce    string               // of the latest response
	answered bool                 // a response was sent
	claims   map[string]string    // versions that the client says it has, until they are compared with what there is
	unsure   map[string]string    // those of them whose names are undecided
	returned time.Time            // when a client that comes back said what it has; zero when it did not
	catchUp  *catchUp             // what of that the cache has not caught up with; nil when nothing
	sentAt   time.Time
	ackedAt  time.Time
}

// repeats is what has to be said although nothing changed.
type repeats struct {
	answerDue     bool     // a request awaits an answer
	resends       []string // names to be sent again, or to be answered as missing
	parentChanged []string // names to be sent again because what refers to them changed
	reported      []string // names the client was told do not exist, as resource errors
}

func (r *repeats) any() bool { return r.answerDue || len(r.resends)+len(r.parentChanged) > 0 }

// pendingResponse is the one response of a type that is not acknowledged yet.
type pendingResponse struct {
	nonce         string
	result        *content // what the client has if it accepts
	position      uint64
	list          *difference
	version       string
	shrunk        bool     // the client asks for less than when this was sent
	parentChanged []string // names that were to be sent again because what refers to them changed
	usable        []string // names whose former version, which refers to more, was complete
}

// limit returns c without what the client no longer asks for, of what it means by the names in
// dropped, or of everything when that is nil.
func (w *watch) limit(c *content, dropped []string) *content {
	candidates := c.all()
	if dropped != nil {
		candidates = c.anyNamed(dropped)
	}
	var gone []change
	for r := range candidates {
		if !w.asksFor(r) {
			gone = append(gone, change{name: r.name})
		}
	}
	if len(gone) == 0 {
		return c
	}
	return &content{table: c.with(gone), position: c.position}
}

// limitAll lets the client forget what it no longer asks for, as it does itself. What is in the
// pending response it may still take, if it asks again before it reads it: answer looks at that.
// dropped are the names it let go of, nil when that may be any.
func (w *watch) limitAll(dropped []string) {
	if w.pending != nil {
		w.pending.shrunk = true
	}
	sent := w.sent
	w.sent = w.limit(sent, dropped)
	if w.acked == sent {
		w.acked = w.sent
	} else {
		w.acked = w.limit(w.acked, dropped)
	}
	for name := range w.retained {
		if !w.asks(name) {
			delete(w.retained, name)
		}
	}
	for name := range w.stale {
		if !w.asks(name) {
			delete(w.stale, name)
		}
	}
	w.forgetUnsubscribedRejections()
}

// mayHave says whether the client may have name, from what it acknowledged or was sent.
func (w *watch) mayHave(name string) bool {
	return w.sent.find(name) != nil || w.pending != nil && w.pending.shrunk && w.pending.result.find(name) != nil
}

// keeps says whether the client has name and nothing that is under way takes it away.
func (w *watch) keeps(name string) bool {
	return w.acked.get(name) != nil && w.sent.get(name) != nil && !w.rejections.mayLack(name)
}

// answer takes the answer to the pending response: an ACK or a NACK.
func (w *watch) answer(now time.Time, r *request) {
	f := w.pending
	w.pending, w.idle = nil, nil
	if r.nack {
		w.reject(now, f, r.message)
		return
	}
	w.ackedAt = now
	if unknown := w.acked.get(unknownState); unknown.isUnknownState() && f.result.get(unknownState) == nil {
		w.noteStale(slices.Values([]change{{name: unknownState, old: unknown}}))
	}
	w.acked, w.position = f.result, f.position
	if w.typeURL == ListenerType || w.typeURL == RouteType {
		w.session.group.serves()
	}
	if f.shrunk {
		w.sent = w.accepted(f)
		w.acked = w.sent
	}
	w.session.group.resendDependentsOfSiblings(w, f.list)
	w.retain(now, f)
	w.noteStale(slices.Values(f.list.changes))
	w.accept(f)
	w.session.group.changed(w.session)
}

// accepted is what the client has after a response that was pending while it let go of names
// and perhaps asked for them again.
func (w *watch) accepted(f *pendingResponse) *content {
	if w.sendsWhole() {
		return w.limit(f.result, nil)
	}
	var added []change
	for _, ch := range f.list.changes {
		if ch.new != nil && ch.new.wire != nil && w.asksFor(ch.new) {
			added = append(added, ch)
		}
	}
	return &content{table: w.sent.with(added), position: w.sent.position}
}

// adopt counts result as what the client has, without a message: what was to be said cannot be said,
// or is no news to the client.
func (w *watch) adopt(result *content) {
	if result == w.sent {
		return
	}
	w.noteStale(w.sent.changes(result.table))
	if t := w.rejections; t != nil {
		for ch := range w.sent.changes(result.table) {
			delete(t.removed, ch.name)
		}
	}
	w.sent, w.acked, w.position = result, result, result.position
	w.session.group.changed(w.session)
}

// noteStale takes note of what counts as removed, and what the client may have kept. Clients keep routes,
// endpoints and secrets as long as they ask for them: in state-of-the-world they are not told of
// removals (C055), and in delta Envoy passes over them.
func (w *watch) noteStale(changes iter.Seq[change]) {
	if w.whole {
		return
	}
	for ch := range changes {
		switch {
		case ch.new != nil:
			delete(w.stale, ch.name)
		case ch.old.isUnknownState():
			for _, name := range w.asked {
				if w.want != nil && w.want.find(name) == nil {
					w.addStale(name, placeholder(w.typeURL, name, ""))
				}
			}
		case ch.old != nil && w.named(ch.name):
			w.addStale(ch.name, ch.old)
		}
	}
}

func (w *watch) addStale(name string, r *Resource) {
	if w.stale == nil {
		w.stale = map[string]*Resource{}
	}
	w.stale[name] = r
}

// outdated says whether the client may have something under a name that is not what it will be given.
func (w *watch) outdated(name string) bool {
	return w.stale[name] != nil || w.acked.get(name) != nil && !w.keeps(name)
}

// wakeup returns when the watch may have something to send by itself.
func (w *watch) wakeup() time.Time {
	earliest := w.nextHeartbeat()
	if w.pending == nil { // else the answer comes first
		for _, h := range w.withheld {
			earliest = earlier(earliest, h.due)
		}
	}
	for _, r := range w.retained {
		earliest = earlier(earliest, r.due)
	}
	return earliest
}

// due says whether a time has come for which a change waited.
func (w *watch) due(now time.Time) bool {
	for _, h := range w.withheld {
		if !h.due.IsZero() && !now.Before(h.due) {
			return true
		}
	}
	return false
}
