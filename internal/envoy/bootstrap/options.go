package bootstrap

import (
	"cmp"
	"fmt"
	"net"
	"os"
	"strconv"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Options are what a bootstrap says.
type Options struct {
	Node     mesh.Node
	Instance string // tells apart the nodes of one service or edge, such as its address and port
	// Server is where the doyen server answers gRPC, as host:port.
	Server string
	// Socket is the Unix domain socket of the relay on this host, an absolute path. When it is set, the client
	// connects to the relay instead of Server.
	Socket string
	// AdminPort is Envoy's admin port, on 127.0.0.1; 0 is mesh.DefaultAdminPort.
	AdminPort int
	// CA is a PEM file with the operating system's authorities, by which externals over TLS are checked
	// that have no authorities of their own. SystemCA finds it; without it those externals are refused.
	CA string
}

// NodeID is how the client names itself to the server.
func (o Options) NodeID() string { return envoy.NodeID(o.Node, o.Instance) }

func (o Options) adminPort() int { return cmp.Or(o.AdminPort, mesh.DefaultAdminPort) }

// server splits Server, or says what is wrong with it.
func (o Options) server() (host string, port int, err error) {
	host, text, err := net.SplitHostPort(o.Server)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || host == "" || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("server %q: want host:port, such as 127.0.0.1:18000", o.Server)
	}
	return host, port, nil
}

// cluster is the static cluster by which an Envoy finds the relay or the server.
func (o Options) cluster() (*clusterv3.Cluster, error) {
	if o.Socket != "" {
		return envoy.RelayCluster(o.Socket), nil
	}
	host, port, err := o.server()
	if err != nil {
		return nil, err
	}
	return envoy.ServerCluster(host, port), nil
}

// uri is where a gRPC program finds the relay or the server, in gRPC's naming scheme.
func (o Options) uri() (string, error) {
	if o.Socket != "" {
		return "unix:" + o.Socket, nil
	}
	_, _, err := o.server()
	return o.Server, err
}

// systemCAs are where operating systems keep their authorities: Debian and Alpine, Fedora and Red Hat,
// SUSE, macOS and the BSDs.
var systemCAs = [...]string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// SystemCA is the file of this host's authorities, "" if there is none where operating systems have it.
func SystemCA() string {
	for _, name := range systemCAs {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}
