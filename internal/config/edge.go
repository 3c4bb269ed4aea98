package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Edge is one place where traffic enters the mesh. Every listener serves every route.
type Edge struct {
	Header

	// Where the edge accepts connections.
	Listeners []EdgeListener `json:"listeners" required:"true" example:"8000"`

	// Where requests go. Of the routes whose host matches best, the one with the longest matching path
	// is taken, whatever their order.
	Routes []EdgeRoute `json:"routes" required:"true" example:"{path: /users, to: users}"`
}

// EdgeListener is one address and port on which an edge accepts HTTP/1.1 and HTTP/2. A port number
// alone is enough.
type EdgeListener struct {
	// The listener's name, unique in the edge. Without it the name is https with tls and http otherwise.
	Name string `json:"name" format:"name" example:"public"`

	// The IP address to listen on. 127.0.0.1 keeps the edge to its own host.
	Address string `json:"address" format:"ip" default:"0.0.0.0" example:"127.0.0.1"`

	// The port to listen on.
	Port int `json:"port" required:"true" range:"1-65535" example:"8443"`

	// The certificate with which the listener answers. Without it the listener speaks plain HTTP.
	TLS *EdgeTLS `json:"tls,omitempty" example:"{certificate: /etc/doyen/tls/shop.pem, key: /etc/doyen/tls/shop.key}"`

	Origin mesh.Origin `json:"-"`
}

// EdgeTLS names PEM files on the edge's own host. Their content never travels, and the edge reads
// them again when they are replaced. Files that it could not use when it first met them it does not
// watch: doyen status shows that it refused them; once they are mended, start the edge again.
type EdgeTLS struct {
	// The certificate chain, the edge's own certificate first.
	Certificate string `json:"certificate" required:"true" format:"file" example:"/etc/doyen/tls/shop.pem"`

	// The private key.
	Key string `json:"key" required:"true" format:"file" example:"/etc/doyen/tls/shop.key"`
}

// EdgeRoute leads the requests for some hosts and one path to a service.
type EdgeRoute struct {
	// The hosts for which the route holds, without ports: shop.example.com, *.example.com, or * for
	// every host.
	Hosts []string `json:"hosts" format:"hostmatch" default:"*" example:"[shop.example.com, '*.shop.example.com']"`

	// The path and everything below it: /users, which is the same as /users/, matches /users and /users/7, and
	// does not match /users2. It is compared with paths as they are after normalization.
	Path string `json:"path" format:"route" default:"/" example:"/users"`

	// The Service that answers.
	To mesh.ServiceName `json:"to" format:"service" required:"true" example:"users"`

	// The service's port, by name. Without it requests go to the main port.
	Port mesh.PortName `json:"port,omitzero" format:"port" example:"admin"`

	// The settings in which this route differs from the service's manifest.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`

	Origin mesh.Origin `json:"-"`
}
