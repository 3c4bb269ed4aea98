package mesh

// Protocol is the protocol of a port.
type Protocol string

// The protocols of ports. GRPC is HTTP2 with failures given by grpc-status.
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
