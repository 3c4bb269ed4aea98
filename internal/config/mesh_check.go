package config

import (
	"fmt"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
)

func (m *Mesh) addTo(docs *Documents) *Header {
	if docs.Mesh != nil {
		return &docs.Mesh.Header
	}
	docs.Mesh = m
	return nil
}

// check holds the defaults to the bounds: a service that says nothing must be within them.
func (m *Mesh) check(c *checker) {
	c.traffic("defaults", m.Defaults, "")
	timeout := Resolve(m.Defaults).Timeout
	if bound := m.Bounds.MaxTimeout; bound != nil && timeout.BuiltIn() && exceeds(Duration(timeout.Value), *bound) {
		c.report("bounds.maxTimeout", &yamldoc.Problem{
			Message: fmt.Sprintf("the bound of %s is below the built-in timeout of %s, which holds for every call", *bound, Duration(timeout.Value)),
			Hint:    fmt.Sprintf("set defaults.timeout, at most %s", *bound),
		})
	}
	attempts := Resolve(m.Defaults).Retries.Attempts
	if bound := m.Bounds.MaxRetries; bound != nil && attempts.BuiltIn() && attempts.Value > *bound {
		c.report("bounds.maxRetries", &yamldoc.Problem{
			Message: fmt.Sprintf("the bound of %d is below the built-in %d retries, which hold for every call", *bound, attempts.Value),
			Hint:    fmt.Sprintf("set defaults.retries, at most %d", *bound),
		})
	}
}
