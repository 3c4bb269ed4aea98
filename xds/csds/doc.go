// Package csds is the client status discovery service (CSDS, envoy.service.status.v3) as a management server
// has it: which client has been sent what, has accepted or refused it, resource by resource (C119).
//
//	server := xds.NewServer(source, xds.ServerOptions{})
//	g := grpc.NewServer(xds.GRPCOptions()...)
//	server.Register(g)
//	csds.Register(g, server)
//
// It is a package of its own so that programs without it do not link the messages of Envoy's admin interface.
//
// An answer holds whole configurations of all clients that match, so whoever may call it may read them all.
// Its one invariant: of secrets (SDS) only names, versions and states are told. Answers may be large: narrow
// them by node matchers, or ask without resource contents.
package csds
