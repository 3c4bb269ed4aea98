package xds

// Source is where a server finds resources: a *SnapshotCache, a *LinearCache or a *Mux.
type Source interface {
	// poolFor returns where name ("" for the wildcard) of a type is for a node, nil
	// when the source does not serve it.
	poolFor(node *Node, typeURL, name string) *pool
	// split says whether names of the type may be in different pools.
	split(typeURL string) bool
	// onMove lets moved be called when poolFor may answer otherwise than before.
	onMove(moved func()) (cancel func())
}

// movers are those to tell that nodes may have moved to another pool. It is
// guarded by the lock of who embeds it.
type movers struct {
	next  int
	funcs map[int]func()
}

func (m *movers) add(f func()) int {
	if m.funcs == nil {
		m.funcs = map[int]func(){}
	}
	m.next++
	m.funcs[m.next] = f
	return m.next
}

func (m *movers) all() []func() {
	all := make([]func(), 0, len(m.funcs))
	for _, f := range m.funcs {
		all = append(all, f)
	}
	return all
}
