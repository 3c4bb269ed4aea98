// Package mesh holds the value types that all parts of doyen use: names of services, edges and zones, origins,
// revisions, and how a node identifies itself.
//
// Its one invariant: values made by its Parse functions are valid; the zero value of a name is "none". The package
// does no I/O and imports no other package of this module.
package mesh
