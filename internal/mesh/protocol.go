package mesh

// Protocol is what a port speaks.
type Protocol string

// The protocols a port can speak. GRPC is HTTP2 whose failures are read from grpc-status.
const (
	HTTP  Protocol = "http"
	HTTP2 Protocol = "http2"
	GRPC  Protocol = "grpc"
	TCP   Protocol = "tcp"
)

// Protocols lists every protocol, in the order in which documentation names them.
var Protocols = [...]Protocol{HTTP, HTTP2, GRPC, TCP}

// IsHTTP reports whether requests of p can be routed by host and path.
func (p Protocol) IsHTTP() bool { return p == HTTP || p == HTTP2 || p == GRPC }

// IsHTTP2 reports whether p needs HTTP/2 on the wire.
func (p Protocol) IsHTTP2() bool { return p == HTTP2 || p == GRPC }
