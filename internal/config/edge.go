package config

import (
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Edge is one place where traffic enters the mesh. Every listener serves every route.
type Edge struct {
	Header

	// The addresses and ports on which the edge accepts connections.
	Listeners []EdgeListener `json:"listeners" required:"true" example:"8000"`

	// The routes of requests. Of the routes whose host matches best, the one with the longest matching path
	// is used. The order of the routes does not matter. They are required unless the edge is a gateway.
	Routes []EdgeRoute `json:"routes,omitempty" example:"{path: /users, to: users}"`

	// Makes the edge a gateway of this network of the Mesh. It has no routes of its own: it takes the requests of proxies in
	// other networks for any service, and sends them to the instances in its network. Only they may be able to reach it.
	Gateway string `json:"gateway,omitzero" format:"network" example:"east"`
}

// EdgeListener is one address and port on which an edge accepts HTTP/1.1 and HTTP/2. A port number
// alone is enough.
type EdgeListener struct {
	// The listener's name, unique in the edge. The default is https with tls and http otherwise.
	Name string `json:"name" format:"name" example:"public"`

	// The IP address to listen on. With 127.0.0.1, only the edge's own host can connect.
	Address string `json:"address" format:"ip" default:"0.0.0.0" example:"127.0.0.1"`

	// The port to listen on.
	Port int `json:"port" required:"true" range:"1-65535" example:"8443"`

	// The certificate that the listener presents. Without it, the listener serves plain HTTP.
	TLS *EdgeTLS `json:"tls,omitempty" example:"{certificate: /etc/doyen/tls/shop.pem, key: /etc/doyen/tls/shop.key}"`

	Origin mesh.Origin `json:"-"`
}

// EdgeTLS names PEM files on the edge's own host. Their content is never sent to the server. doyen edge reads them, and
// uses new content within a second, also of files that were missing or unusable before. While there is nothing to use,
// the listener closes connections, and doyen status shows why.
type EdgeTLS struct {
	// The certificate chain, the edge's own certificate first.
	Certificate string `json:"certificate" required:"true" format:"file" example:"/etc/doyen/tls/shop.pem"`

	// The private key.
	Key string `json:"key" required:"true" format:"file" example:"/etc/doyen/tls/shop.key"`
}

// EdgeRoute sends the requests for some hosts and one path to a service.
type EdgeRoute struct {
	// The hosts that the route applies to, without ports: shop.example.com, *.example.com, or * for
	// every host.
	Hosts []string `json:"hosts" format:"hostmatch" default:"*" example:"[shop.example.com, '*.shop.example.com']"`

	// The path and everything below it: /users, which is the same as /users/, matches /users and /users/7, but
	// not /users2. Request paths are normalized before they are compared.
	Path string `json:"path" format:"route" default:"/" example:"/users"`

	// The Service that receives the requests.
	To mesh.ServiceName `json:"to" format:"service" required:"true" example:"users"`

	// The name of the service's port. The default is the main port.
	Port mesh.PortName `json:"port,omitzero" format:"port" example:"admin"`

	// Settings of this route that override those of the service's manifest.
	Traffic *Traffic `json:"traffic,omitzero" example:"{timeout: 2s, retries: 1}"`

	Origin mesh.Origin `json:"-"`
}

// Network returns the network that the edge is a gateway of, "" for the default network.
func (e *Edge) Network() mesh.NetworkName {
	name, _ := mesh.ParseNetworkName(e.Gateway)
	return name
}
