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

// Options are the content of a bootstrap.
type Options struct {
	Node     mesh.Node
	Instance string // distinguishes the nodes of one service or edge, such as its address and port
	// Server is where the doyen server answers gRPC, as host:port.
	Server string
	// Socket is the Unix domain socket of the relay on this host, an absolute path. When it is set, the client
	// connects to the relay instead of Server.
	Socket string
	// AdminPort is Envoy's admin port, on 127.0.0.1; 0 is mesh.DefaultAdminPort.
	AdminPort int
	// MaxHeap is how much memory Envoy may use, in bytes. Near to it, Envoy answers requests with 503 and then accepts no
	// connections, instead of being killed. 0 is no limit.
	MaxHeap uint64
	// DrainFile is a file whose content makes Envoy ask all its callers to leave, when it changes from 0 to 1 by a rename:
	// HTTP/2 connections get a GOAWAY, HTTP/1 connections are closed after their next response. It must be there when
	// Envoy starts. "" is none.
	DrainFile string
	// CA is a PEM file with the operating system's certificate authorities. They are used for externals over TLS that
	// have no authorities of their own. SystemCA finds the file; without it, connections to those externals fail.
	CA string
}

// NodeID returns the client's node ID.
func (o Options) NodeID() string { return envoy.NodeID(o.Node, o.Instance) }

func (o Options) adminPort() int { return cmp.Or(o.AdminPort, mesh.DefaultAdminPort) }

// server splits Server, or returns what is wrong with it.
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

// cluster returns the static cluster that leads to the relay or the server.
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

// uri returns the relay or the server in gRPC's naming scheme.
func (o Options) uri() (string, error) {
	if o.Socket != "" {
		return "unix:" + o.Socket, nil
	}
	_, _, err := o.server()
	return o.Server, err
}

// systemCAs are the files in which operating systems keep their certificate authorities: Debian and Alpine, Fedora
// and Red Hat, SUSE, macOS and the BSDs.
var systemCAs = [...]string{
	"/etc/ssl/certs/ca-certificates.crt",
	"/etc/pki/tls/certs/ca-bundle.crt",
	"/etc/ssl/ca-bundle.pem",
	"/etc/ssl/cert.pem",
}

// SystemCA returns the file of this host's certificate authorities, "" if it is in none of the usual places.
func SystemCA() string {
	for _, name := range systemCAs {
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}
