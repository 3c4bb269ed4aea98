package xds

import "time"

// Totals are how far all streams together are.
type Totals struct {
	Nodes int                   // with open streams
	Types map[string]TypeTotals // by type URL
}

// TypeTotals are how far the streams are that ask for one type.
type TypeTotals struct {
	Streams   int
	OutOfSync int       // of those, the ones whose TypeStatus is not InSync
	Rejected  int       // of those, the ones whose TypeStatus is Rejected
	Held      int       // changes, on all streams
	HeldSince time.Time // the earliest Hold.Since; zero when Held is 0
}

// Totals returns the sums of what Status returns. It copies nothing of any stream, so that it may be called often.
func (s *Server) Totals() Totals {
	s.mu.Lock()
	all := make([]*stream, 0, len(s.streams))
	for _, st := range s.streams {
		all = append(all, st)
	}
	s.mu.Unlock()
	nodes, types := make(map[string]bool, len(all)), map[string]*TypeTotals{}
	for _, st := range all {
		nodes[st.info.Node.ID] = true
		st.addTo(types)
	}
	totals := Totals{Nodes: len(nodes), Types: make(map[string]TypeTotals, len(types))}
	for typeURL, t := range types {
		totals.Types[typeURL] = *t
	}
	return totals
}

func (st *stream) addTo(types map[string]*TypeTotals) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	g.load()
	for _, p := range st.session.watches {
		t := types[p.typeURL]
		if t == nil {
			t = &TypeTotals{}
			types[p.typeURL] = t
		}
		t.add(p)
	}
}

func (t *TypeTotals) add(p *watch) {
	t.Streams++
	if !p.inSync() {
		t.OutOfSync++
	}
	if p.rejections != nil {
		t.Rejected++
	}
	t.Held += len(p.withheld)
	for _, h := range p.withheld {
		t.HeldSince = earlier(t.HeldSince, h.since)
	}
}
