package mesh

import "net/netip"

// Role is what a node does in the mesh.
type Role string

// The roles a node can have.
const (
	Sidecar   Role = "sidecar"   // an Envoy beside one instance of a service
	EdgeProxy Role = "edge"      // an Envoy where traffic enters the mesh
	Proxyless Role = "proxyless" // a gRPC program that is its own proxy
)

// Default ports of a sidecar.
const (
	DefaultEgressPort  = 9001
	DefaultIngressPort = 9211
	DefaultAdminPort   = 9901
	DefaultCapturePort = 9002 // of a sidecar whose agent captures connections
)

// MetadataKey is the key of a node's metadata (envoy.config.core.v3.Node) that holds its Node, as JSON.
const MetadataKey = "doyen"

// Node is how an xDS client identifies itself in its bootstrap, under MetadataKey of its metadata. Its JSON form is
// stable, because deployed bootstraps contain it.
type Node struct {
	Role    Role        `json:"role"`
	Service ServiceName `json:"service,omitempty"` // sidecar and proxyless: the service whose manifest says what it may call
	Edge    EdgeName    `json:"edge,omitempty"`    // edge: the Edge document it runs
	Zone    ZoneName    `json:"zone,omitempty"`
	// Network is the network that the node is in; "" is the default network.
	Network NetworkName `json:"network,omitempty"`
	// Address is where a sidecar's ingress listens. By default it is every address of the host, IPv4 and IPv6 through
	// one socket. A host without IPv6 uses 0.0.0.0, and a demo on one machine 127.0.0.1.
	Address netip.Addr `json:"address,omitzero"`
	Ports   Ports      `json:"ports,omitzero"`
	// Capture is where a sidecar gets the connections of its application that its agent redirects; the zero value is
	// nowhere.
	Capture Capture `json:"capture,omitzero"`
	// VHDS says that an edge gets its virtual hosts one by one, which only incremental streams support. Otherwise
	// they are part of the routes, in one resource.
	VHDS bool `json:"vhds,omitempty"`
}

// Capture is a port on 127.0.0.1, and on ::1 if the host has that.
type Capture struct {
	Port int  `json:"port"` // 1-65535
	IPv6 bool `json:"ipv6,omitempty"`
}

// Ports are the local ports of one node, each 1-65535. Nodes with different ports need different listeners, and so
// have different views. Ports that are not given have their defaults.
type Ports struct {
	Egress  int                 `json:"egress,omitempty"`  // on 127.0.0.1: HTTP, routed by host
	Ingress map[PortName]int    `json:"ingress,omitempty"` // where callers reach each served port
	App     map[PortName]int    `json:"app,omitempty"`     // where the application itself listens for each served port, on loopback
	TCP     map[ServiceName]int `json:"tcp,omitempty"`     // on 127.0.0.1: each TCP service or external it calls
	Edge    map[string]int      `json:"edge,omitempty"`    // edge: listener name to port
}

// IngressPorts returns where callers reach each served port. names are all ports in the order of the manifest. Ports
// that p does not name follow the main port: the i-th port is i above it, or the next one that no other port has.
func (p Ports) IngressPorts(names []PortName) map[PortName]int {
	ports, taken := map[PortName]int{}, map[int]bool{}
	for _, name := range names {
		if port := p.Ingress[name]; port != 0 {
			ports[name], taken[port] = port, true
		}
	}
	for i, name := range names {
		if ports[name] != 0 {
			continue
		}
		port := DefaultIngressPort + i
		if main := ports[names[0]]; main != 0 {
			port = main + i
		}
		for taken[port] {
			port++
		}
		ports[name], taken[port] = port, true
	}
	return ports
}

// View is the class of all nodes that get exactly the same bytes.
type View struct {
	Node
	Revision Revision
}
