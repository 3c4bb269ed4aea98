package xds

import "slices"

// attach subscribes to what the client asks for, at the pools its node belongs to now.
// It looks again after it subscribed, since a pool may have been given up meanwhile.
func (w *watch) attach() {
	for {
		wanted := w.wantedParts()
		if slices.EqualFunc(w.parts, wanted, (*subscription).is) {
			return
		}
		old := w.parts
		w.parts = make([]*subscription, 0, len(wanted))
		for _, one := range wanted {
			i := slices.IndexFunc(old, func(s *subscription) bool { return s.is(one) })
			if i >= 0 {
				w.parts = append(w.parts, old[i])
				continue
			}
			w.parts = append(w.parts, one.pool.subscribe(w.typeURL, one.wildcard, one.names, w))
		}
		for _, s := range old {
			if !slices.Contains(w.parts, s) {
				s.unsubscribe(w)
			}
		}
		if len(old) == 0 || len(w.parts) == 0 || old[0].collection.pool != w.parts[0].collection.pool {
			w.position = 0 // positions of different pools do not compare
		}
		w.idle = nil
		if !slices.Equal(old, w.parts) { // else they only ask for other names now
			w.contents, w.merged = make([]*content, len(w.parts)), nil
		}
	}
}

// is says whether s is the subscription to what is wanted.
func (s *subscription) is(one wantedPart) bool {
	return s.collection.pool == one.pool && s.wildcard == one.wildcard && slices.Equal(s.names, one.names)
}

// wantedPart is what a client asks of one pool.
type wantedPart struct {
	pool     *pool
	wildcard bool
	names    []string
}

// wantedParts spreads what the client asks for over the pools.
func (w *watch) wantedParts() []wantedPart {
	s := w.session
	if !s.source.split(w.typeURL) {
		if pool := s.source.poolFor(s.node, w.typeURL, ""); pool != nil {
			return []wantedPart{{pool, w.wildcard, w.asked}}
		}
		return nil
	}
	var parts []wantedPart
	part := func(name string) *wantedPart {
		pool := s.source.poolFor(s.node, w.typeURL, name)
		if pool == nil {
			return nil
		}
		i := slices.IndexFunc(parts, func(one wantedPart) bool { return one.pool == pool })
		if i < 0 {
			i = len(parts)
			parts = append(parts, wantedPart{pool: pool})
		}
		return &parts[i]
	}
	if one := part(""); one != nil {
		one.wildcard = w.wildcard
	}
	for _, name := range w.asked {
		if one := part(name); one != nil {
			one.names = append(one.names, name)
		}
	}
	return parts
}

func (w *watch) detach() {
	for _, s := range w.parts {
		s.unsubscribe(w)
	}
	w.parts, w.contents = nil, nil
}

// read looks at the parts that are in a pool, whose lock the caller holds.
func (w *watch) read(pool *pool) {
	for i, s := range w.parts {
		if s.collection.pool != pool {
			continue
		}
		w.contents[i] = nil
		if pool.ready {
			w.contents[i] = s.content
		}
		w.shared = len(s.watchers) > 1
		if w.catchUp != nil {
			w.settleCatchUp(pool, s)
		}
	}
}

// combine sets want from what was read, nil as long as a part is not published. It returns
// whether want is another than before.
func (w *watch) combine() bool {
	before := w.want
	switch {
	case len(w.contents) == 0 || slices.Contains(w.contents, nil):
		w.want = nil
	case len(w.contents) == 1:
		w.want = w.contents[0]
	default:
		w.merge()
	}
	if w.catchUp != nil && w.want != nil {
		w.want, w.shared = w.catchUp.withhold(w.want), false
	}
	return w.want != before
}

// merge makes one content of those of several pools.
func (w *watch) merge() {
	w.shared = false
	if w.want != nil && slices.Equal(w.contents, w.merged) {
		return
	}
	w.want = mergeContents(w.want, w.merged, w.contents)
	w.merged = slices.Clone(w.contents)
}

// asksFor says whether the client asks for r.
func (w *watch) asksFor(r *Resource) bool {
	if r.isUnknownState() {
		return true
	}
	for _, s := range w.parts {
		if s.contains(r) {
			return true
		}
	}
	return false
}

// named says whether the client asks for name itself, not only for everything.
func (w *watch) named(name string) bool {
	return slices.ContainsFunc(w.parts, func(s *subscription) bool { return s.hasName(name) })
}

// asks says whether the client asks for the resource of that name, in any way.
func (w *watch) asks(name string) bool {
	r := w.sent.get(name)
	if r == nil && w.want != nil {
		r = w.want.get(name)
	}
	if r == nil {
		r = &Resource{name: name}
		r.further = furtherNames(r)
	}
	return w.asksFor(r)
}
