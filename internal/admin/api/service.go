package api

// Service answers GET /v1/services/{name}; GET /v1/services answers a Services.
type Service struct {
	Name      string    `json:"name"`
	Owner     string    `json:"owner,omitempty"`
	Origin    string    `json:"origin"` // file:line of its manifest
	Ports     []Port    `json:"ports"`  // the first is the main port
	Health    *Health   `json:"health"` // nil when the manifest names none
	Calls     []Call    `json:"calls"`
	Instances Instances `json:"instances"`
}

// Services answers GET /v1/services: every service that has a manifest, by name.
type Services struct {
	Services []Service `json:"services"`
}

// Port is one port that a service serves.
type Port struct {
	Name     string `json:"name"`
	Protocol string `json:"protocol"`       // http, http2, grpc or tcp
	Port     int    `json:"port,omitempty"` // where the application listens by its manifest; 0 when it does not say
}

// Health is how an instance is checked: exactly one of HTTP, GRPC and TCP. Interval and Timeout are Go durations such
// as "5s". Without an interval, callers' proxies check every 5 s, and agents every 15 s.
type Health struct {
	HTTP     string  `json:"http,omitempty"`
	GRPC     *string `json:"grpc,omitempty"`
	TCP      bool    `json:"tcp,omitempty"`
	Host     string  `json:"host,omitempty"` // that requests name, or the authority
	Port     string  `json:"port,omitempty"` // the port that is asked, by name; "" is the main port
	Interval string  `json:"interval,omitempty"`
	Timeout  string  `json:"timeout,omitempty"`
}

// Call is one service or external that a service calls.
type Call struct {
	To        string `json:"to"`
	Port      string `json:"port,omitempty"` // "" is the main port
	Protocol  string `json:"protocol"`
	LocalPort int    `json:"localPort,omitempty"` // TCP: the port on the caller's loopback
}

// Instances counts the instances of a service by state.
type Instances struct {
	Healthy   int `json:"healthy"`
	Starting  int `json:"starting"`
	Unhealthy int `json:"unhealthy"`
	Draining  int `json:"draining"`
	// Maintenance are the instances that an operator keeps out of service, whatever their state is.
	Maintenance int `json:"maintenance"`
	// Disconnected are the instances whose proxy is gone, whatever their state is.
	Disconnected int `json:"disconnected"`
}
