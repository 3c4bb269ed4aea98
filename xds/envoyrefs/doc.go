// Package envoyrefs derives what an Envoy resource refers to, from the resource itself.
//
// The engine in package xds orders changes by references: what a change refers to is there before the change is
// sent, and stays until nothing refers to it any more. It takes references as data, because it does not know
// Envoy's messages. This package does:
//
//	refs := envoyrefs.Of(listener)
//	xds.NewResource(typeURL, name, body, xds.ResourceOptions{References: refs})
//
// Followed are references to route configurations, clusters, assignments, secrets and extension
// configurations, wherever they stand in a message, also inside typed extension configurations whose Go
// package is linked into the program (the common ones always are). A reference counts only where its
// object comes by discovery: a secret that a bootstrap defines is none. A cluster named by a route may still
// be static in the client's bootstrap; who checks snapshots for completeness has to say so.
package envoyrefs
