package config

func (m *Mesh) addTo(docs *Documents) *Header {
	if docs.Mesh != nil {
		return &docs.Mesh.Header
	}
	docs.Mesh = m
	return nil
}

// check holds the defaults to the bounds: a service that sets nothing must be within them.
func (m *Mesh) check(c *checker) {
	c.traffic("defaults", m.Defaults, "")
	c.defaults(m)
}
