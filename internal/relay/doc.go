// Package relay serves xDS to the clients on one host, in place of the control plane's servers.
//
// An Envoy or a gRPC program connects to the relay over a local socket. The relay opens one stream
// to a server for each client, under the client's own node, and passes on what the client asks for
// and what the server sends. It keeps the configuration that the client acknowledged last, in memory
// and on disk. While every server is away, a client that starts or restarts is served from that copy.
//
//	client <--- xds.Server, a cache for each type <--- session (one for each node) <--- xDS client <--- server
//	                                                     |
//	                                                   Store: the last good configuration on disk
//
// The relay never acknowledges for a client: an update is accepted towards the server after the
// client has accepted it, and rejected with the client's own message after the client has rejected it. A stream that
// ends has not answered. What the client rejected stays what the server has for it, as at a server; the server decides
// what is offered again.
//
// Secrets may name files on the host. The relay's clients then get the content of the files in place of the names
// (Options.NamesFiles). What the relay keeps, and saves, has the names.
//
// Its one invariant: each resource on disk was acknowledged by that client, and a client that connects while no server
// answers is served only such resources.
package relay
