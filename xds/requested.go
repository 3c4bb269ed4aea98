package xds

import "slices"

// attach subscribes to what the client asks for, at the pools its node belongs to now.
// It looks again after it subscribed, since a pool may have been given up meanwhile.
func (p *watch) attach() {
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
func (p *watch) wantedParts() []wantedPart {
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

func (p *watch) detach() {
	for _, s := range p.parts {
		s.unsubscribe(p)
	}
	p.parts, p.contents = nil, nil
}

// read looks at the parts that are in a pool, whose lock the caller holds.
func (p *watch) read(pool *pool) {
	for i, s := range p.parts {
		if s.collection.pool != pool {
			continue
		}
		p.contents[i] = nil
		if pool.ready {
			p.contents[i] = s.content
		}
		p.shared = len(s.watchers) > 1
		if p.catchUp != nil {
			p.settleCatchUp(pool, s)
		}
	}
}

// combine sets want from what was read, nil as long as a part is not published. It returns
// whether want is another than before.
func (p *watch) combine() bool {
	before := p.want
	switch {
	case len(p.contents) == 0 || slices.Contains(p.contents, nil):
		p.want = nil
	case len(p.contents) == 1:
		p.want = p.contents[0]
	default:
		p.merge()
	}
	if p.catchUp != nil && p.want != nil {
		p.want, p.shared = p.catchUp.withhold(p.want), false
	}
	return p.want != before
}

// merge makes one content of those of several pools.
func (p *watch) merge() {
	p.shared = false
	if p.want != nil && slices.Equal(p.contents, p.merged) {
		return
	}
	p.want = mergeContents(p.want, p.merged, p.contents)
	p.merged = slices.Clone(p.contents)
}

// asksFor says whether the client asks for r.
func (p *watch) asksFor(r *Resource) bool {
	if r.isUnknownState() {
		return true
	}
	for _, s := range p.parts {
		if s.contains(r) {
			return true
		}
	}
	return false
}

// named says whether the client asks for name itself, not only for everything.
func (p *watch) named(name string) bool {
	return slices.ContainsFunc(p.parts, func(s *subscription) bool { return s.hasName(name) })
}

// asks says whether the client asks for the resource of that name, in any way.
func (p *watch) asks(name string) bool {
	r := p.sent.get(name)
	if r == nil && p.want != nil {
		r = p.want.get(name)
	}
	if r == nil {
		r = &Resource{name: name}
		r.further = furtherNames(r)
	}
	return p.asksFor(r)
}
