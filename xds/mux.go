package xds

// MuxOptions say which source serves what.
type MuxOptions struct {
	// Types are the sources by type URL.
	Types map[string]Source
	// Names are, by type URL, functions that choose the source of a single name; nil
	// means the type's. The wildcard is always the type's.
	Names map[string]func(name string) Source
	// Default serves the types that Types does not name; it may be nil.
	Default Source
}

// Mux sends types, or names, to different sources. Each source changes in its own steps:
// what has to change together belongs in one.
type Mux struct{ o MuxOptions }

// NewMux returns a mux. The options' maps must not be changed afterwards.
func NewMux(o MuxOptions) *Mux { return &Mux{o} }

func (m *Mux) sourceOf(typeURL, name string) Source {
	if choose := m.o.Names[typeURL]; choose != nil && name != "" {
		if s := choose(name); s != nil {
			return s
		}
	}
	if s := m.o.Types[typeURL]; s != nil {
		return s
	}
	return m.o.Default
}

func (m *Mux) poolFor(node *Node, typeURL, name string) *pool {
	if s := m.sourceOf(typeURL, name); s != nil {
		return s.poolFor(node, typeURL, name)
	}
	return nil
}

func (m *Mux) split(typeURL string) bool {
	if m.o.Names[typeURL] != nil {
		return true
	}
	s := m.sourceOf(typeURL, "")
	return s != nil && s.split(typeURL)
}

// onMove follows the sources that are known beforehand. One that only Names yields
// cannot move nodes; the sources chosen by name are usually linear.
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
	return func() {
		for _, c := range cancels {
			c()
		}
	}
}
