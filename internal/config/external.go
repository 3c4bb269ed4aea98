package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// External is a host outside the mesh, such as a database or another company's API, that services
// call by name. It has exactly one of host and addresses.
type External struct {
	Header

	// The host's protocol.
	Protocol mesh.Protocol `json:"protocol" enum:"http,http2,grpc,tcp" required:"true" example:"tcp"`

	// The DNS name, which the caller's proxy resolves repeatedly.
	Host string `json:"host,omitzero" format:"host" example:"ledger.db.example.com"`

	// The IP addresses, IPv4 or IPv6.
	Addresses []string `json:"addresses,omitempty" format:"ip" example:"[10.1.0.7, '2001:db8::7']"`

	// The port, the same at every address.
	Port int `json:"port" required:"true" range:"1-65535" example:"5432"`

	// The port on 127.0.0.1 where callers reach a tcp external, unless the call overrides it. The default
	// is the value of port.
	LocalPort int `json:"localPort,omitzero" range:"1-65535" example:"15432"`

	// How the caller's proxy encrypts its connections to the host and checks the host's certificate; {} uses
	// the defaults. Without it, the proxy does not encrypt connections.
	TLS *ExternalTLS `json:"tls,omitempty" example:"{ca: /etc/doyen/tls/ledger-ca.pem}"`

	// Settings for calls to the host, unless a call overrides them.
	Traffic *Traffic `json:"traffic,omitzero" example:"{connectTimeout: 500ms}"`
}

// ExternalTLS sets what a proxy requires of an external host's certificate.
type ExternalTLS struct {
	// The name that the certificate must contain, also sent as SNI. The default is host. It is required with
	// addresses.
	ServerName string `json:"serverName,omitzero" format:"host" example:"ledger.db.example.com"`

	// A PEM file with the trusted certificate authorities, on the host of the calling proxy, which is read as that of an
	// edge's certificate is. The default is the authorities that the proxy's operating system trusts.
	CA string `json:"ca,omitzero" format:"file" example:"/etc/doyen/tls/ledger-ca.pem"`
}
