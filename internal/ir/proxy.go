package ir

import (
	"net/netip"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Proxy is everything that the nodes of one view do. The node's role determines which fields are set: a sidecar has
// Egress, Tunnels, Capture and Ingress, an edge has Edge, and a proxyless program has Channels.
type Proxy struct {
	Node     mesh.Node `json:"node"`
	Egress   *Egress   `json:"egress,omitempty"`
	Tunnels  []Tunnel  `json:"tunnels,omitempty"`  // by target
	Capture  *Capture  `json:"capture,omitempty"`  // nil when no connections are captured
	Ingress  []Ingress `json:"ingress,omitempty"`  // in the order of the manifest's ports
	Edge     *Edge     `json:"edge,omitempty"`     //
	Channels []Channel `json:"channels,omitempty"` // by target
	// Upstreams are all targets that the fields above send to, sorted, without duplicates.
	Upstreams []Upstream `json:"upstreams,omitempty"`
	// Unreachable are the targets that the manifest calls and this kind of client cannot reach, with the reason.
	Unreachable []Unreachable `json:"unreachable,omitempty"`
	// NotApplied are the settings that documents have for a target and this kind of client does not support, with the
	// reason.
	NotApplied []NotApplied `json:"notApplied,omitempty"` // by target, then in the order of the settings
}

// Egress is where an application sends its HTTP requests. The host of a request selects the target.
type Egress struct {
	Bind  netip.AddrPort `json:"bind"`
	Hosts []VirtualHost  `json:"hosts,omitempty"` // one a target, by target
	// NoRoute is the answer, with status 404, to a request for any other host. The host is inserted between Before
	// and After.
	NoRoute NoRoute     `json:"noRoute"`
	Origin  mesh.Origin `json:"origin"`
}

// NoRoute is a message around the requested host.
type NoRoute struct {
	Before string `json:"before"`
	After  string `json:"after"`
}

// Tunnel is a local port whose connections are forwarded to one target unchanged.
type Tunnel struct {
	Bind   netip.AddrPort `json:"bind"`
	Target Target         `json:"target"`
	Origin mesh.Origin    `json:"origin"`
}

// Capture is where connections of the application to virtual addresses arrive, with their original destinations. All but
// those of Tunnels are HTTP, and have the routes of Egress.
type Capture struct {
	Binds   []netip.AddrPort `json:"binds"`             // at least one
	Tunnels []CapturedTunnel `json:"tunnels,omitempty"` // by target
	Origin  mesh.Origin      `json:"origin"`
}

// CapturedTunnel is the virtual addresses of one target, to which connections are forwarded unchanged.
type CapturedTunnel struct {
	Addresses []netip.Addr `json:"addresses"` // no other tunnel has them
	Target    Target       `json:"target"`
	Origin    mesh.Origin  `json:"origin"`
}

// Ingress is where callers reach one port of the application beside the proxy.
type Ingress struct {
	Port     mesh.PortName  `json:"port"`
	Protocol mesh.Protocol  `json:"protocol"`
	Bind     netip.AddrPort `json:"bind"`           // the address "::" is every address, IPv4 and IPv6
	Target   Target         `json:"target"`         // Local
	Host     string         `json:"host,omitempty"` // of requests in HTTP/1.0 that name none; "" where Protocol is not HTTP
	Origin   mesh.Origin    `json:"origin"`
}

// Edge is where traffic enters the mesh. Every listener serves every host.
type Edge struct {
	Name      mesh.EdgeName  `json:"name"`
	Listeners []EdgeListener `json:"listeners"` // in the order of the document
	Hosts     []VirtualHost  `json:"hosts"`     // by host
	// Gateway says that its clients are proxies of the mesh, for which it has to be transparent.
	Gateway bool        `json:"gateway,omitempty"`
	Origin  mesh.Origin `json:"origin"`
}

// EdgeListener is one address and port of an edge.
type EdgeListener struct {
	Name   string         `json:"name"`
	Bind   netip.AddrPort `json:"bind"`          // the address "::" is every address, IPv4 and IPv6
	TLS    *CertificateAt `json:"tls,omitempty"` // nil is plain text
	Origin mesh.Origin    `json:"origin"`
}

// CertificateAt names the PEM files of a certificate on the proxy's own host. The server never reads their content.
type CertificateAt struct {
	Chain string `json:"chain"`
	Key   string `json:"key"`
}

// Channel is a name that a proxyless gRPC program may dial, as xds:///HOST for each of the target's hosts.
type Channel struct {
	Target Target      `json:"target"`
	Route  Route       `json:"route"`
	Origin mesh.Origin `json:"origin"`
}

// Unreachable is a target that the manifest calls and that this kind of client cannot reach.
type Unreachable struct {
	Target Target      `json:"target"`
	Why    string      `json:"why"`
	Origin mesh.Origin `json:"origin"`
}

// NotApplied is a setting that a document has for a target and that this kind of client does not support.
type NotApplied struct {
	Target  Target      `json:"target"`
	Setting string      `json:"setting"` // as in documents: retries.perTryTimeout
	Why     string      `json:"why"`
	Origin  mesh.Origin `json:"origin"` // where it is set
}
