package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Service is the manifest of one service, written and owned by the team that runs it. Callers reach
// the service's first port as http://NAME or http://NAME.mesh, and further ports as
// http://PORT.NAME or http://PORT.NAME.mesh. The name mesh itself is reserved.
type Service struct {
	Header

	// The ports that the service serves. The first is its main port, the one that its plain name reaches.
	// A program that only calls others has none.
	Ports []Port `json:"ports,omitempty" example:"[8080, 9090/grpc]"`

	// How an instance is asked whether it can take traffic. Without it an instance is ready as soon as its
	// main port accepts connections.
	Health *Health `json:"health,omitempty" example:"/healthz"`

	// The services and externals that this one calls. Its proxies know of nothing else.
	Calls []Call `json:"calls,omitempty" example:"[payments, {to: ledger-db, localPort: 15432}]"`

	// How callers treat this service, unless a call says otherwise.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`
}

// Port is one port that a service serves. A number alone is an http port; 9090/grpc is a grpc port.
type Port struct {
	// The port's name, unique in the service. Without it the port is named after its protocol.
	Name mesh.PortName `json:"name" format:"port" example:"admin"`

	// What the port speaks. A tcp port is reached only as the first port of its service.
	Protocol mesh.Protocol `json:"protocol" enum:"http,http2,grpc,tcp" default:"http" example:"grpc"`

	// Where the application listens, unless its agent is told otherwise. The ports of its sidecar are taken:
	// 9001 for calls by host, 9901 for admin pages, and for callers 9211 and one more for each further port.
	Port int `json:"port" required:"true" range:"1-65535" example:"8080"`

	Origin mesh.Origin `json:"-"`
}

// Health is how an instance is asked whether it can take traffic: by exactly one of http, grpc and
// tcp. A path alone is an HTTP check; so are the words grpc and tcp for the other two.
type Health struct {
	// A path that answers 200 while the instance can take traffic.
	HTTP string `json:"http,omitzero" format:"path" example:"/healthz"`

	// The service name to ask for by grpc.health.v1; "" asks for the server as a whole.
	GRPC *string `json:"grpc,omitempty" format:"text" example:"shop.Payments"`

	// A connection that is accepted is enough.
	TCP bool `json:"tcp,omitzero" example:"true"`

	// The host that requests name (http), or the authority (grpc). Without it that is the service's name.
	Host string `json:"host,omitzero" format:"host" example:"shop.example.com"`

	// The port to ask, by name. Without it the main port is asked.
	Port mesh.PortName `json:"port,omitzero" format:"port" example:"admin"`

	// The time from one check to the next.
	Interval Duration `json:"interval" range:"100ms-5m" default:"5s" example:"10s"`

	// How long an answer may take, at most the interval. Without it that is 1s, or the interval where that is shorter.
	Timeout Duration `json:"timeout" range:"10ms-1m" example:"500ms"`

	Origin mesh.Origin `json:"-"`
}

// Call is one service or external that a service calls. A name alone is enough.
type Call struct {
	// The name of the Service or External.
	To mesh.ServiceName `json:"to" format:"service" required:"true" example:"payments"`

	// Where on 127.0.0.1 the caller reaches a tcp service or external. Without it the port is the
	// External's localPort, or else the called port's own number. Calls by http, http2 and grpc have none:
	// their host is the name.
	LocalPort int `json:"localPort,omitzero" range:"1-65535" example:"15432"`

	// The settings in which this caller differs from the called document.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`

	Origin mesh.Origin `json:"-"`
}
