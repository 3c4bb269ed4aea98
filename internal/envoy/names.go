package envoy

import (
	"strings"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// The names in this file are an interface: dashboards, alerts and scripts depend on them. docs/reference/names.md
// describes them for users. Change both together; a change breaks users.
//
// Names of services and ports are DNS labels, so a '.', '/' or '_' in a name never comes from one.

// Names of what exists at most once.
const (
	EgressName  = "egress"  // a sidecar's listener for HTTP calls, its routes and its statistics
	CaptureName = "capture" // a sidecar's listener for connections that its agent redirects
	EdgeName    = "edge"    // the routes of an edge, shared by its listeners

	// SystemCAName is the secret with the operating system's certificate authorities. A bootstrap defines it, because
	// only the proxy's own host knows in which file they are.
	SystemCAName = "system-ca"

	// ServerClusterName is the cluster that leads to the doyen server. A bootstrap defines it.
	ServerClusterName = "doyen/server"
)

// ClusterName names the cluster of t: users for the main port of a service and for an external,
// admin.users for a further port, local/http for the application beside the proxy.
func ClusterName(t ir.Target) string {
	switch {
	case t.Kind == ir.Local:
		return "local/" + string(t.Port)
	case t.Port != "":
		return string(t.Port) + "." + string(t.Name)
	default:
		return string(t.Name)
	}
}

// AssignmentName names the endpoints of t. It is the cluster's name.
func AssignmentName(t ir.Target) string { return ClusterName(t) }

// StatName returns the name of a listener or cluster in statistics. It has '_' in place of '.' and '/', because Envoy
// and metrics systems split names at dots.
func StatName(name string) string { return strings.NewReplacer(".", "_", "/", "_").Replace(name) }

// TunnelName names the listener of a tcp target's local port: egress/ledger.
func TunnelName(t ir.Target) string { return EgressName + "/" + ClusterName(t) }

// IngressName names the listener of a served port: ingress/http.
func IngressName(port mesh.PortName) string { return "ingress/" + string(port) }

// EdgeListenerName names a listener of an edge: edge/public.
func EdgeListenerName(name string) string { return EdgeName + "/" + name }

// EdgeHostName names a virtual host of an edge: edge/shop.example.com. The part before the '/' is the name of its
// route configuration, as VHDS requires.
func EdgeHostName(host string) string { return EdgeName + "/" + host }

// AuthoritiesName names the secret with the authorities that proxies trust at t: ca/ledger. It holds a file name.
func AuthoritiesName(t ir.Target) string { return "ca/" + ClusterName(t) }

// CertificateName names the secret of an edge's listener. It holds file names and no key.
func CertificateName(listener string) string { return EdgeListenerName(listener) }

// ChannelName names the routes of a gRPC program's channel. Its listeners have the names of the target's hosts, since
// a gRPC program requests the listener with the name that it dials.
func ChannelName(t ir.Target) string { return ClusterName(t) }

// TargetHeader is the header of requests in which an edge tells the gateway of another network where they lead, in a mesh
// of several networks. Its value is the name of the cluster.
const TargetHeader = "x-doyen-target"

// NodeID names a node: sidecar/users/10.0.0.7:9211, edge/public/host1, proxyless/reports/host1-4711. instance
// distinguishes the nodes of one service or edge in one network; a network other than the default one is named, too,
// because addresses mean something within their network only.
func NodeID(n mesh.Node, instance string) string {
	if n.Network != "" {
		instance = string(n.Network) + "/" + instance
	}
	return string(n.Role) + "/" + NodeCluster(n) + "/" + instance
}

// NodeCluster is the name that all nodes of one service or edge share.
func NodeCluster(n mesh.Node) string {
	if n.Role == mesh.EdgeProxy {
		return string(n.Edge)
	}
	return string(n.Service)
}
