package xds

import "sync"

// MuxOptions say which source serves what.
type MuxOptions struct {
	// Types are the sources by type URL.
	Types map[string]Source
	// Names are, by type URL, functions that choose the source of a single name; nil
	// means the type's. The wildcard is always the type's.
	Names map[string]func(name string) Source
	// Nodes are, by type URL, functions that choose the source of a type for a node, such as one for each zone; nil
	// means the type's. Names come first. The functions are called as [SnapshotCacheOptions.View] is, and should
	// answer the same for a node until [Mux.Reassign].
	Nodes map[string]func(*Node) Source
	// Default serves the types that Types does not name; it may be nil.
	Default Source
}

// Mux sends types, names or nodes to different sources. Each source changes in its own steps:
// what has to change together belongs in one.
type Mux struct {
	o      MuxOptions
	mu     sync.Mutex // guards the rest
	movers movers
}

// NewMux returns a mux. The options' maps must not be changed afterwards.
func NewMux(o MuxOptions) *Mux { return &Mux{o: o} }

// Reassign says that the functions in Nodes may now answer otherwise. Open streams follow: a node whose source is
// another one is sent the difference as ordinary, ordered changes.
func (m *Mux) Reassign() {
	m.mu.Lock()
	moved := m.movers.all()
	m.mu.Unlock()
	for _, f := range moved {
		f()
	}
}

func (m *Mux) sourceOf(node *Node, typeURL, name string) Source {
	if choose := m.o.Names[typeURL]; choose != nil && name != "" {
		if s := choose(name); s != nil {
			return s
		}
	}
	if choose := m.o.Nodes[typeURL]; choose != nil {
		if s := choose(node); s != nil {
			return s
		}
	}
	return m.ofType(typeURL)
}

func (m *Mux) ofType(typeURL string) Source {
	if s := m.o.Types[typeURL]; s != nil {
		return s
	}
	return m.o.Default
}

func (m *Mux) poolFor(node *Node, typeURL, name string) *pool {
	if s := m.sourceOf(node, typeURL, name); s != nil {
		return s.poolFor(node, typeURL, name)
	}
	return nil
}

func (m *Mux) split(typeURL string) bool {
	if m.o.Names[typeURL] != nil {
		return true
	}
	s := m.ofType(typeURL)
	return s != nil && s.split(typeURL)
}

// onMove follows the sources that are known beforehand. One that only Names or Nodes yields
// cannot move nodes itself; such sources are usually linear.
func (m *Mux) onMove(moved func()) (cancel func()) {
	var cancels []func()
	follow := func(s Source) {
		if s != nil {
			cancels = append(cancels, s.onMove(moved))
		}
	}
	for _, s := range m.o.Types {
		follow(s)
	}
	follow(m.o.Default)
	m.mu.Lock()
	id := m.movers.add(moved)
	m.mu.Unlock()
	cancels = append(cancels, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.movers.funcs, id)
	})
	return func() {
		for _, c := range cancels {
			c()
		}
	}
}
