package xds

import (
	"slices"
	"time"
)

// A place is where one stream stands with one type: what it asked for, what it was sent
// and what it acknowledged. sent and acked are immutable contents, mostly shared.
type place struct {
	*kind
	session *session

	// What the client asks for.
	fresh     bool // no request came yet
	everNamed bool // a name was asked for on this stream: no names no longer means all (C046)
	wildcard  bool
	asked     []string     // names, canonical, besides the wildcard
	last      encodedNames // of the last request, in state-of-the-world
	parts     []*subscription
	slot      []*slot
	initial   map[string]string // versions the client knew when it connected, until used

	// What there is for it; set by the group's load.
	want      *content
	shared    bool       // other streams ask for the same
	contents  []*content // of the parts
	merged    []*content // those of which want was made, when there are several
	elsewhere *table     // the whole collection, with what the client did not ask for

	// What it was sent.
	sent     *content
	acked    *content
	position uint64 // of the content that was acknowledged last
	flight   *flight
	nonce    string   // of the latest response
	begun    bool     // the first answer was due: what comes now may have to wait
	answered bool     // a response was sent
	owed     bool     // a request awaits an answer even if nothing changed
	again    []string // names to be sent though unchanged, or to be answered as missing
	touched  []string // names to be sent though unchanged, for what refers to them changed
	reported []string // names it was told do not exist, as resource errors
	gone     []string // names the client knew at connect that no longer exist

	// What it refused, and what waits.
	*trouble
	beat    time.Time // next heartbeat, zero when nothing has a TTL
	sentAt  time.Time
	ackedAt time.Time
	idle    *content // want, when nothing was to be sent towards it
}

// flight is the one response of a type that is not acknowledged yet.
type flight struct {
	result   *content // what the client has if it accepts
	position uint64
	list     *difference
	version  string
	beat     bool
	shrunk   bool // the client asks for less than when this was sent
}

// attach subscribes to what the client asks for, at the pools its node belongs to now.
// It looks again after it subscribed, since a pool may have been given up meanwhile.
func (p *place) attach() {
	for {
		wanted := p.wantedParts()
		if slices.EqualFunc(p.parts, wanted, (*subscription).is) {
			return
		}
		old := p.parts
		p.parts = make([]*subscription, 0, len(wanted))
		for _, w := range wanted {
			i := slices.IndexFunc(old, func(s *subscription) bool { return s.is(w) })
			if i >= 0 {
				p.parts = append(p.parts, old[i])
				continue
			}
			p.parts = append(p.parts, w.pool.subscribe(p.typeURL, w.wildcard, w.names, p))
		}
		for _, s := range old {
			if !slices.Contains(p.parts, s) {
				s.unsubscribe(p)
			}
		}
		if len(old) == 0 || len(p.parts) == 0 || old[0].collection.pool != p.parts[0].collection.pool {
			p.position = 0 // positions of different pools do not compare
		}
		p.idle = nil
		if !slices.Equal(old, p.parts) { // else they only ask for other names now
			p.contents, p.merged = make([]*content, len(p.parts)), nil
		}
	}
}

// is says whether s is what w wants.
func (s *subscription) is(w wantedPart) bool {
	return s.collection.pool == w.pool && s.wildcard == w.wildcard && slices.Equal(s.names, w.names)
}

// wantedPart is what a client asks of one pool.
type wantedPart struct {
	pool     *pool
	wildcard bool
	names    []string
}

// wantedParts spreads what the client asks for over the pools.
func (p *place) wantedParts() []wantedPart {
	s := p.session
	if !s.source.split(p.typeURL) {
		if pool := s.source.poolFor(s.node, p.typeURL, ""); pool != nil {
			return []wantedPart{{pool, p.wildcard, p.asked}}
		}
		return nil
	}
	var parts []wantedPart
	part := func(name string) *wantedPart {
		pool := s.source.poolFor(s.node, p.typeURL, name)
		if pool == nil {
			return nil
		}
		i := slices.IndexFunc(parts, func(w wantedPart) bool { return w.pool == pool })
		if i < 0 {
			i = len(parts)
			parts = append(parts, wantedPart{pool: pool})
		}
		return &parts[i]
	}
	if w := part(""); w != nil {
		w.wildcard = p.wildcard
	}
	for _, name := range p.asked {
		if w := part(name); w != nil {
			w.names = append(w.names, name)
		}
	}
	return parts
}

func (p *place) detach() {
	for _, s := range p.parts {
		s.unsubscribe(p)
	}
	p.parts, p.contents = nil, nil
}

// read looks at the parts that are in a pool, whose lock the caller holds.
func (p *place) read(pool *pool) {
	for i, s := range p.parts {
		if s.collection.pool != pool {
			continue
		}
		p.contents[i] = nil
		if pool.ready {
			p.contents[i] = s.content
		}
		p.elsewhere = s.collection.table
		p.shared = len(s.watchers) > 1
	}
}

// combine sets want from what was read, nil as long as a part is not published.
func (p *place) combine() {
	switch {
	case len(p.contents) == 0 || slices.Contains(p.contents, nil):
		p.want = nil
	case len(p.contents) == 1:
		p.want = p.contents[0]
	default:
		p.merge()
	}
}

// merge makes one content of those of several pools.
func (p *place) merge() {
	p.shared = false
	p.elsewhere = emptyTable
	if p.want != nil && slices.Equal(p.contents, p.merged) {
		p.elsewhere = p.want.table
		return
	}
	p.want = mergeContents(p.want, p.merged, p.contents)
	p.merged = slices.Clone(p.contents)
	p.elsewhere = p.want.table
}

// asksFor says whether the client asks for r.
func (p *place) asksFor(r *Resource) bool {
	for _, s := range p.parts {
		if s.contains(r) {
			return true
		}
	}
	return false
}

// named says whether the client asks for name itself, not only for everything.
func (p *place) named(name string) bool {
	return slices.ContainsFunc(p.parts, func(s *subscription) bool { return s.hasName(name) })
}

// limit returns c without what the client no longer asks for, of what it means by the names in
// dropped, or of everything when that is nil.
func (p *place) limit(c *content, dropped []string) *content {
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

// limitAll lets the client forget what it no longer asks for, as it does itself. What is in
// flight it may still take, if it asks again before it reads it: settle looks at that. dropped are the
// names it let go of, nil when that may be any.
func (p *place) limitAll(dropped []string) {
	if p.flight != nil {
		p.flight.shrunk = true
	}
	sent := p.sent
	p.sent = p.limit(sent, dropped)
	if p.acked == sent {
		p.acked = p.sent
	} else {
		p.acked = p.limit(p.acked, dropped)
	}
}

// mayHave says whether the client may have name, from what it acknowledged or was sent.
func (p *place) mayHave(name string) bool {
	return p.sent.find(name) != nil || p.flight != nil && p.flight.shrunk && p.flight.result.find(name) != nil
}
