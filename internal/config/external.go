package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// External is a host outside the mesh, such as a database or another company's API, that services
// call by name. It is found by exactly one of host and addresses.
type External struct {
	Header

	// What the host speaks.
	Protocol mesh.Protocol `json:"protocol" enum:"http,http2,grpc,tcp" required:"true" example:"tcp"`

	// The DNS name, which the caller's proxy looks up again and again.
	Host string `json:"host,omitzero" format:"host" example:"ledger.db.example.com"`

	// The IP addresses, IPv4 or IPv6.
	Addresses []string `json:"addresses,omitempty" format:"ip" example:"[10.1.0.7, '2001:db8::7']"`

	// The port, the same at every address.
	Port int `json:"port" required:"true" range:"1-65535" example:"5432"`

	// Where on 127.0.0.1 callers reach a tcp external, unless the call says otherwise. Without it the
	// number is that of port.
	LocalPort int `json:"localPort,omitzero" range:"1-65535" example:"15432"`

	// How the caller's proxy encrypts its connections to the host and checks the host's certificate; {} uses
	// the defaults. Without it connections are as the application makes them.
	TLS *ExternalTLS `json:"tls,omitempty" example:"{ca: /etc/doyen/tls/ledger-ca.pem}"`

	// How callers treat the host, unless a call says otherwise.
	Traffic *Traffic `json:"traffic,omitzero" example:"{connectTimeout: 500ms}"`
}

// ExternalTLS is what a proxy expects of an external host's certificate.
type ExternalTLS struct {
	// The name that the certificate must hold, also sent as SNI. Without it the name is that of host; with
	// addresses it is needed.
	ServerName string `json:"serverName,omitzero" format:"host" example:"ledger.db.example.com"`

	// A PEM file with the authorities to trust, on the host of the calling proxy. Without it those of the proxy's
	// operating system are trusted.
	CA string `json:"ca,omitzero" format:"file" example:"/etc/doyen/tls/ledger-ca.pem"`
}
