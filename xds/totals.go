package xds

import (
	"sync"
	"time"
)

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

// Totals returns the sums of what Status returns. They are kept as streams change, so that it costs nothing for
// streams of which no change is held. What is published counts for a stream once that has looked at it.
func (s *Server) Totals() Totals {
	s.mu.Lock()
	totals := Totals{Nodes: len(s.groups)}
	s.mu.Unlock()
	var holding []*stream
	totals.Types, holding = s.tallies.copy()
	for _, st := range holding {
		st.addHeldSince(totals.Types)
	}
	return totals
}

// addHeldSince takes account of since when changes of a stream are held.
func (st *stream) addHeldSince(types map[string]TypeTotals) {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, w := range st.session.watches {
		t := types[w.typeURL]
		if t.Held == 0 {
			continue
		}
		for _, h := range w.withheld {
			t.HeldSince = earlier(t.HeldSince, h.since)
		}
		types[w.typeURL] = t
	}
}

// tallies are the totals of a server's streams, but for HeldSince.
type tallies struct {
	mu      sync.Mutex // guards the rest; taken after a group's lock
	types   map[string]*TypeTotals
	holding map[*stream]int // changes held, of the streams that have any
}

// tally is how a watch is counted. The lock of its group guards it.
type tally struct {
	counted             bool
	outOfSync, rejected bool
	held                int
}

func (w *watch) tally() tally {
	return tally{counted: true, outOfSync: !w.inSync(), rejected: w.rejections != nil, held: len(w.withheld)}
}

// look counts a stream as it is. The caller holds the lock of its group.
func (t *tallies) look(st *stream) {
	for _, w := range st.session.watches {
		if now := w.tally(); now != w.tallied {
			t.replace(st, w, now)
		}
	}
}

// forget takes a stream out that ends. The caller holds the lock of its group.
func (t *tallies) forget(st *stream) {
	for _, w := range st.session.watches {
		t.replace(st, w, tally{})
	}
}

func (t *tallies) replace(st *stream, w *watch, now tally) {
	before := w.tallied
	w.tallied = now
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := t.types[w.typeURL]
	if sum == nil {
		if t.types == nil {
			t.types, t.holding = map[string]*TypeTotals{}, map[*stream]int{}
		}
		sum = &TypeTotals{}
		t.types[w.typeURL] = sum
	}
	sum.Streams += one(now.counted) - one(before.counted)
	sum.OutOfSync += one(now.outOfSync) - one(before.outOfSync)
	sum.Rejected += one(now.rejected) - one(before.rejected)
	sum.Held += now.held - before.held
	if sum.Streams == 0 {
		delete(t.types, w.typeURL)
	}
	if t.holding[st] += now.held - before.held; t.holding[st] == 0 {
		delete(t.holding, st)
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// copy returns the totals, and the streams of which changes are held.
func (t *tallies) copy() (types map[string]TypeTotals, holding []*stream) {
	t.mu.Lock()
	defer t.mu.Unlock()
	types = make(map[string]TypeTotals, len(t.types))
	for typeURL, sum := range t.types {
		types[typeURL] = *sum
	}
	for st := range t.holding {
		holding = append(holding, st)
	}
	return types, holding
}
