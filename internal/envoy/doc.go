// Package envoy turns ir into xDS resources: listeners, route configurations, clusters, assignments and
// secrets for Envoy, and the smaller set of the same words that gRPC programs read.
//
// It is pure: one file for each resource type, and no value that ir did not decide but those that are
// the same for every mesh, which stand as constants with their reasons. Its one invariant: the same ir
// always gives the same bytes. Messages are marshalled deterministically and lists are in the order of ir.
//
// Names of everything that a dashboard could hang on are in names.go and nowhere else.
package envoy
