package api

// Edges answers GET /v1/edges: every Edge document, by name.
type Edges struct {
	Edges []Edge `json:"edges"`
}

// Edge answers GET /v1/edges/{name}.
type Edge struct {
	Name      string     `json:"name"`
	Owner     string     `json:"owner,omitempty"`
	Origin    string     `json:"origin"` // file:line of its document
	Listeners []Listener `json:"listeners"`
}

// Listener is one address and port of an edge.
type Listener struct {
	Name    string `json:"name"`
	Address string `json:"address"` // IP address; "" is every address
	Port    int    `json:"port"`
	TLS     bool   `json:"tls"`
}
