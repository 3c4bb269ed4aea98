package config

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Documents is one complete set of documents as a person wrote it, decoded. The maps are keyed by
// name; services and externals share one name space, because both are called by name.
type Documents struct {
	Mesh      *Mesh // never nil: a folder without one has the built-in defaults
	Services  map[mesh.ServiceName]*Service
	Edges     map[mesh.EdgeName]*Edge
	Externals map[mesh.ServiceName]*External
}

// Header is what every document begins with.
type Header struct {
	Kind    string `yaml:"kind"`
	Version int    `yaml:"version"`
	Name    string `yaml:"name"`
	Owner   string `yaml:"owner"`
}

// Mesh is the network team's document: defaults for every service, and the bounds within which a
// service may change them. A folder has at most one.
type Mesh struct {
	Header   `yaml:",inline"`
	Defaults Traffic `yaml:"defaults"`
	Bounds   Bounds  `yaml:"bounds"`
}

// Bounds limit what a Service may ask for.
type Bounds struct {
	MaxTimeout Duration `yaml:"maxTimeout"`
	MaxRetries int      `yaml:"maxRetries"`
}

// Service is the manifest of one service, owned by that service's team.
type Service struct {
	Header `yaml:",inline"`
	Ports  []Port  `yaml:"ports"`
	Health *Health `yaml:"health"`
	Calls  []Call  `yaml:"calls"`
	// Traffic is how callers treat this service.
	Traffic Traffic `yaml:"traffic"`
}

// Port is one port that a service serves. The first is the main port.
type Port struct {
	Name     mesh.PortName `yaml:"name"`
	Protocol mesh.Protocol `yaml:"protocol"`
	Port     int           `yaml:"port"` // where the application listens unless the agent is told otherwise
	Origin   mesh.Origin   `yaml:"-"`
}

// Health is how an instance is asked whether it can take traffic: exactly one of HTTP, GRPC and TCP.
type Health struct {
	HTTP     string   `yaml:"http"` // a path that answers 200
	GRPC     *string  `yaml:"grpc"` // a service name of grpc.health.v1; "" is the whole server
	TCP      bool     `yaml:"tcp"`  // a connection is enough
	Interval Duration `yaml:"interval"`
	Timeout  Duration `yaml:"timeout"`
}

// Call is one service or external that a service calls; in YAML a bare name is enough.
type Call struct {
	To        mesh.ServiceName `yaml:"to"`
	LocalPort int              `yaml:"localPort"` // TCP only: the port on the caller's loopback
	Traffic   Traffic          `yaml:"traffic"`   // what this caller wants otherwise than the callee says
	Origin    mesh.Origin      `yaml:"-"`
}

// Traffic is how calls to a service are made. A nil or zero field takes the value of the next wider
// place: Call, then Service, then Mesh, then the built-in default.
type Traffic struct {
	Timeout        *Duration       `yaml:"timeout"`
	ConnectTimeout *Duration       `yaml:"connectTimeout"`
	Retries        *Retries        `yaml:"retries"`
	CircuitBreaker *CircuitBreaker `yaml:"circuitBreaker"`
	Outliers       *Outliers       `yaml:"outliers"`
}

type Retries struct {
	Attempts      *int      `yaml:"attempts"`
	On            []string  `yaml:"on"`
	PerTryTimeout *Duration `yaml:"perTryTimeout"`
}

type CircuitBreaker struct {
	Connections     *int `yaml:"connections"`
	PendingRequests *int `yaml:"pendingRequests"`
	Requests        *int `yaml:"requests"`
	Retries         *int `yaml:"retries"`
}

type Outliers struct {
	ConsecutiveErrors *int      `yaml:"consecutiveErrors"`
	Interval          *Duration `yaml:"interval"`
	EjectFor          *Duration `yaml:"ejectFor"`
	MaxEjectedPercent *int      `yaml:"maxEjectedPercent"`
}

// Edge is one place where traffic enters the mesh.
type Edge struct {
	Header    `yaml:",inline"`
	Listeners []EdgeListener `yaml:"listeners"`
	Routes    []EdgeRoute    `yaml:"routes"`
}

type EdgeListener struct {
	Name    string      `yaml:"name"`
	Address string      `yaml:"address"`
	Port    int         `yaml:"port"`
	TLS     *EdgeTLS    `yaml:"tls"`
	Origin  mesh.Origin `yaml:"-"`
}

// EdgeTLS names files on the edge's own host; their content never travels.
type EdgeTLS struct {
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
}

type EdgeRoute struct {
	Hosts   []string         `yaml:"hosts"`
	Path    string           `yaml:"path"` // prefix at a path-segment boundary; default /
	To      mesh.ServiceName `yaml:"to"`
	Port    mesh.PortName    `yaml:"port"`
	Traffic Traffic          `yaml:"traffic"`
	Origin  mesh.Origin      `yaml:"-"`
}

// External is a host outside the mesh that services call by name.
type External struct {
	Header    `yaml:",inline"`
	Protocol  mesh.Protocol `yaml:"protocol"`
	Host      string        `yaml:"host"`      // DNS name; or
	Addresses []string      `yaml:"addresses"` // IP addresses
	Port      int           `yaml:"port"`
	LocalPort int           `yaml:"localPort"` // TCP: where callers reach it on their loopback; default Port
	TLS       *ExternalTLS  `yaml:"tls"`
	Traffic   Traffic       `yaml:"traffic"`
}

type ExternalTLS struct {
	ServerName string `yaml:"serverName"`
	CA         string `yaml:"ca"`
}

// Duration is a time span in the form of time.ParseDuration: 250ms, 3s, 10m.
type Duration time.Duration
