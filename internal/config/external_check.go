package config

import (
	"fmt"

	"github.com/doyen-mesh/doyen/internal/config/yamldoc"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// slot is the same as that of a Service with the same name, because both are called by name.
func (e *External) slot() Key { return ServiceKey(mesh.ServiceName(e.Name)) }

func (e *External) addTo(docs *Documents) {
	docs.Externals = docs.Externals.With(mesh.ServiceName(e.Name), e)
}

func (e *External) removeFrom(docs *Documents) {
	docs.Externals = docs.Externals.Without(mesh.ServiceName(e.Name))
}

func (e *External) references() []mesh.ServiceName { return nil }

// Complete makes the host the name that the certificate must contain.
func (e *External) Complete() {
	if e.TLS != nil && e.TLS.ServerName == "" {
		e.TLS.ServerName = e.Host
	}
}

func (e *External) check(c *checker) {
	e.checkName(c)
	c.callTraffic("traffic", e.Traffic, e.Protocol)
	if e.LocalPort != 0 && e.Protocol.IsHTTP() {
		c.report("localPort", &yamldoc.Problem{Message: fmt.Sprintf("%s speaks %s, and localPort is for tcp", e.Name, e.Protocol),
			Hint: fmt.Sprintf("leave it out: callers reach http://%s through their proxy", e.Name)})
	}
	if c.broken[e] {
		return
	}
	const expected = "exactly one of host and addresses"
	switch {
	case e.Host == "" && e.Addresses == nil:
		c.report("", &yamldoc.Problem{Message: "the external has neither host nor addresses", Expected: expected})
	case e.Host != "" && e.Addresses != nil:
		c.report("addresses", &yamldoc.Problem{Message: "the external has both host and addresses", Expected: expected})
	case e.TLS != nil && e.TLS.ServerName == "":
		c.report("tls", &yamldoc.Problem{Message: "tls to addresses does not know the name on the certificate", Expected: "serverName",
			Hint: "tls: {serverName: db.example.com}"})
	}
}
