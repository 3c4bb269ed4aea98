package ir

import (
	"net/netip"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Upstream is one target and how connections to it are made and limited.
//
// A field with a setting tag holds the value of that setting of the documents; the compiler fills it in by its tag.
type Upstream struct {
	Target   Target        `json:"target"`
	Protocol mesh.Protocol `json:"protocol"`
	// Where the endpoints are, for what is not a service: exactly one of DNS and Addresses is set.
	// The endpoints of a service are an EndpointSet.
	DNS       *HostPort        `json:"dns,omitempty"`
	Addresses []netip.AddrPort `json:"addresses,omitempty"`

	TLS            *UpstreamTLS  `json:"tls,omitempty"` // nil is plain text
	ConnectTimeout time.Duration `json:"connectTimeout" setting:"connectTimeout"`
	Health         *Health       `json:"health,omitempty"`                        // nil is no active checks
	Limits         *Limits       `json:"limits,omitempty"`                        // nil is no limits
	Outliers       *Outliers     `json:"outliers,omitempty"`                      // nil is no detection
	SlowStart      time.Duration `json:"slowStart,omitempty" setting:"slowStart"` // 0 is none
	Origin         mesh.Origin   `json:"origin"`                                  // of the call or route that leads there
	// DecidedAt is where documents decided anything of the fields above: the port, its health check or the
	// external, then the settings.
	DecidedAt []mesh.Origin `json:"decidedAt,omitempty"`
}

// HostPort is a DNS name and a port.
type HostPort struct {
	Host string `json:"host"`
	Port int    `json:"port"`
}

// UpstreamTLS is what is expected of the other side's certificate.
type UpstreamTLS struct {
	ServerName string `json:"serverName"`   // also sent as SNI
	CA         string `json:"ca,omitempty"` // a PEM file on the proxy's host; "" is the operating system's authorities
}

// Health is how a proxy asks an endpoint whether it can take traffic, by exactly one of HTTP, GRPC and TCP.
type Health struct {
	HTTP     string        `json:"http,omitempty"` // a path that answers 200
	HTTP2    bool          `json:"http2,omitempty"`
	GRPC     *string       `json:"grpc,omitempty"` // a service name of grpc.health.v1; "" is the whole server
	TCP      bool          `json:"tcp,omitempty"`
	Host     string        `json:"host,omitempty"` // sent as host or authority
	Interval time.Duration `json:"interval"`
	Timeout  time.Duration `json:"timeout"`
}

// Limits are how much one proxy may have under way to one target.
type Limits struct {
	Connections     int `json:"connections" setting:"circuitBreaker.connections"`
	PendingRequests int `json:"pendingRequests" setting:"circuitBreaker.pendingRequests"`
	Requests        int `json:"requests" setting:"circuitBreaker.requests"`
	Retries         int `json:"retries" setting:"circuitBreaker.retries"` // or RetryBudget
}

// RetryBudget instead of a number of retries limits them to a share of recent requests.
const RetryBudget = -1

// Outliers say when an endpoint is left out because of what this proxy has seen of it.
type Outliers struct {
	ConsecutiveErrors int           `json:"consecutiveErrors" setting:"outliers.consecutiveErrors"` // at least 1
	Interval          time.Duration `json:"interval" setting:"outliers.interval"`
	EjectFor          time.Duration `json:"ejectFor" setting:"outliers.ejectFor"`
	MaxEjectedPercent int           `json:"maxEjectedPercent" setting:"outliers.maxEjectedPercent"` // one endpoint may always be ejected
}
