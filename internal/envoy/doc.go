// Package envoy turns ir into xDS resources: listeners, route configurations, clusters, assignments and secrets for
// Envoy, and the smaller set that gRPC programs support.
//
// It is pure. There is one file for each resource type. Values that do not come from ir are the same for every mesh,
// and are constants with their reasons. Its one invariant: the same ir always gives the same bytes. Messages are
// marshalled deterministically, and lists are in the order of ir.
//
// All names that dashboards may use are in names.go.
package envoy
