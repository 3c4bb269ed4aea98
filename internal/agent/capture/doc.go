// Package capture leads connections to the names of the mesh to the Envoy beside the application, without proxy settings
// in the application.
//
// It works in one network namespace, the one of its process. Names that the sidecar has listeners and routes for are
// answered with virtual addresses (see mesh.VirtualIPv4), and nftables redirects connections to these to Envoy's listener
// for captured connections. To answer names, it redirects DNS queries to the nameservers of /etc/resolv.conf to
// responders, one for each nameserver. They pass all other queries on to that nameserver. Nothing else is touched. What
// Envoy and this process send is excepted: Envoy by its group, and this process by a mark on its sockets.
//
// The redirection stays when the process is killed; Remove removes it then. The package must never redirect traffic to
// addresses that are not virtual, but for these queries. Its one invariant: at most one process captures in a namespace.
package capture
