package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Service is the manifest of one service, written and owned by the team that runs it. Callers reach
// the service's first port as http://NAME or http://NAME.mesh, and further ports as
// http://PORT.NAME or http://PORT.NAME.mesh. The name mesh itself is reserved.
type Service struct {
	Header

	// The ports that the service serves. The first is its main port, which callers reach by the service's
	// plain name. A program that only calls others has no ports.
	Ports []Port `json:"ports,omitempty" example:"[8080, 9090/grpc]"`

	// The check that shows whether an instance can take traffic. Without it, an instance is ready as soon as
	// its main port accepts connections.
	Health *Health `json:"health,omitempty" example:"/healthz"`

	// The services and externals that this service calls. Its proxies know no others.
	Calls []Call `json:"calls,omitempty" example:"[payments, {to: ledger-db, localPort: 15432}]"`

	// Settings for calls to this service, unless a call overrides them.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`
}

// Port is one port that a service serves. A number alone is an http port; 9090/grpc is a grpc port.
type Port struct {
	// The port's name, unique in the service. By default, the port is named after its protocol.
	Name mesh.PortName `json:"name" format:"port" example:"admin"`

	// The port's protocol. A tcp port can be reached only if it is the first port of its service.
	Protocol mesh.Protocol `json:"protocol" enum:"http,http2,grpc,tcp" default:"http" example:"grpc"`

	// The port that the application listens on, unless an option of its agent overrides it. The ports of the
	// sidecar cannot be used: 9001 for calls by host, 9901 for admin pages, and for callers 9211 and one more
	// for each further port.
	Port int `json:"port" required:"true" range:"1-65535" example:"8080"`

	Origin mesh.Origin `json:"-"`
}

// Health is the check that shows whether an instance can take traffic. It has exactly one of http, grpc
// and tcp. A path alone is an HTTP check; the words grpc and tcp stand for the other two.
type Health struct {
	// The path of an HTTP check, which returns 200 while the instance can take traffic.
	HTTP string `json:"http,omitzero" format:"path" example:"/healthz"`

	// The service name in grpc.health.v1 requests; "" checks the server as a whole.
	GRPC *string `json:"grpc,omitempty" format:"text" example:"shop.Payments"`

	// The instance can take traffic if it accepts a connection.
	TCP bool `json:"tcp,omitzero" example:"true"`

	// The Host header of HTTP checks, or the authority of gRPC checks. The default is the service's name.
	Host string `json:"host,omitzero" format:"host" example:"shop.example.com"`

	// The name of the port to check. The default is the main port.
	Port mesh.PortName `json:"port,omitzero" format:"port" example:"admin"`

	// The time from one check to the next. The default is 5s for the proxies of callers, and 15s for the agent
	// beside the instance, which checks again sooner after a check has failed.
	Interval Duration `json:"interval,omitzero" range:"100ms-5m" example:"10s"`

	// How long an answer may take, at most the interval. The default is 1s, or the interval if that is shorter.
	Timeout Duration `json:"timeout" range:"10ms-1m" example:"500ms"`

	Origin mesh.Origin `json:"-"`
}

// Call is one service or external that a service calls. A name alone is enough.
type Call struct {
	// The name of the Service or External.
	To mesh.ServiceName `json:"to" format:"service" required:"true" example:"payments"`

	// The port on 127.0.0.1 where the caller reaches a tcp service or external. The default is the
	// External's localPort, or else the called port's own number. Calls by http, http2 and grpc have no
	// local port: their host is the name.
	LocalPort int `json:"localPort,omitzero" range:"1-65535" example:"15432"`

	// Settings of this caller that override those of the called document.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`

	Origin mesh.Origin `json:"-"`
}
