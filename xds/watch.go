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

	rejections *rejections      // what the client refused; nil when nothing
	withheld   map[string]*hold // changes that wait, by name
	idle       *content         // want, when nothing was to be sent towards it
	checked    uint64           // the group's epoch when withheld was looked at last
	tallied    tally            // how the server's totals count it
	digested   digest           // of the last status
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
	answerDue bool     // a request awaits an answer
	resends   []string // names to be sent again, or to be answered as missing
	touched   []string // names to be sent again because what refers to them changed
	reported  []string // names the client was told do not exist, as resource errors
}

func (r *repeats) any() bool { return r.answerDue || len(r.resends)+len(r.touched) > 0 }

// pendingResponse is the one response of a type that is not acknowledged yet.
type pendingResponse struct {
	nonce    string
	result   *content // what the client has if it accepts
	position uint64
	list     *difference
	version  string
	shrunk   bool     // the client asks for less than when this was sent
	touched  []string // names that were to be sent again because what refers to them changed
	usable   []string // names whose former version, which refers to more, was complete
}

// limit returns c without what the client no longer asks for, of what it means by the names in
// dropped, or of everything when that is nil.
func (p *watch) limit(c *content, dropped []string) *content {
	candidates := c.all()
	if dropped != nil {
		candidates = c.anyNamed(dropped)
	}
	var gone []change
	for r := range candidates {
		if !p.asksFor(r) {
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
func (p *watch) limitAll(dropped []string) {
	if p.pending != nil {
		p.pending.shrunk = true
	}
	sent := p.sent
	p.sent = p.limit(sent, dropped)
	if p.acked == sent {
		p.acked = p.sent
	} else {
		p.acked = p.limit(p.acked, dropped)
	}
	for name := range p.retained {
		if !p.asks(name) {
			delete(p.retained, name)
		}
	}
	for name := range p.stale {
		if !p.asks(name) {
			delete(p.stale, name)
		}
	}
	p.forgetRefused()
}

// mayHave says whether the client may have name, from what it acknowledged or was sent.
func (p *watch) mayHave(name string) bool {
	return p.sent.find(name) != nil || p.pending != nil && p.pending.shrunk && p.pending.result.find(name) != nil
}

// keeps says whether the client has name and nothing that is under way takes it away.
func (p *watch) keeps(name string) bool {
	return p.acked.get(name) != nil && p.sent.get(name) != nil && !p.rejections.mayLack(name)
}

// answer takes the answer to the pending response: an ACK or a NACK.
func (p *watch) answer(now time.Time, r *request) {
	f := p.pending
	p.pending, p.idle = nil, nil
	if r.refused {
		p.refuse(now, f, r.message)
		return
	}
	p.ackedAt = now
	if unknown := p.acked.get(unknownState); unknown.isUnknownState() && f.result.get(unknownState) == nil {
		p.noteStale(slices.Values([]change{{name: unknownState, old: unknown}}))
	}
	p.acked, p.position = f.result, f.position
	if p.typeURL == ListenerType || p.typeURL == RouteType {
		p.session.group.serves()
	}
	if f.shrunk {
		p.sent = p.accepted(f)
		p.acked = p.sent
	}
	p.session.group.touchSiblings(p, f.list)
	p.retain(now, f)
	p.noteStale(slices.Values(f.list.changes))
	p.accept(f)
	p.session.group.changed(p.session)
}

// accepted is what the client has after a response that was pending while it let go of names
// and perhaps asked for them again.
func (p *watch) accepted(f *pendingResponse) *content {
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

// adopt counts result as what the client has, without a message: what was to be said cannot be said,
// or is no news to the client.
func (p *watch) adopt(result *content) {
	if result == p.sent {
		return
	}
	p.noteStale(p.sent.changes(result.table))
	if t := p.rejections; t != nil {
		for ch := range p.sent.changes(result.table) {
			delete(t.removed, ch.name)
		}
	}
	p.sent, p.acked, p.position = result, result, result.position
	p.session.group.changed(p.session)
}

// noteStale takes note of what counts as removed, and what the client may have kept. Clients keep routes,
// endpoints and secrets as long as they ask for them: in state-of-the-world they are not told of
// removals (C055), and in delta Envoy passes over them.
func (p *watch) noteStale(changes iter.Seq[change]) {
	if p.whole {
		return
	}
	for ch := range changes {
		switch {
		case ch.new != nil:
			delete(p.stale, ch.name)
		case ch.old.isUnknownState():
			for _, name := range p.asked {
				if p.want != nil && p.want.find(name) == nil {
					p.addStale(name, placeholder(p.typeURL, name, ""))
				}
			}
		case ch.old != nil && p.named(ch.name):
			p.addStale(ch.name, ch.old)
		}
	}
}

func (p *watch) addStale(name string, r *Resource) {
	if p.stale == nil {
		p.stale = map[string]*Resource{}
	}
	p.stale[name] = r
}

// outdated says whether the client may have something under a name that is not what it will be given.
func (p *watch) outdated(name string) bool {
	return p.stale[name] != nil || p.acked.get(name) != nil && !p.keeps(name)
}

// wakeup returns when the watch may have something to send by itself.
func (p *watch) wakeup() time.Time {
	earliest := p.nextHeartbeat()
	if p.pending == nil { // else the answer comes first
		for _, h := range p.withheld {
			earliest = earlier(earliest, h.due)
		}
	}
	for _, r := range p.retained {
		earliest = earlier(earliest, r.due)
	}
	return earliest
}

// due says whether a time has come for which a change waited.
func (p *watch) due(now time.Time) bool {
	for _, h := range p.withheld {
		if !h.due.IsZero() && !now.Before(h.due) {
			return true
		}
	}
	return false
}
