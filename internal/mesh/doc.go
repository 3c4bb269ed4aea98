// Package mesh holds the value types that every part of doyen speaks: names of
// services, edges and zones, origins, revisions, and what a node says of itself.
//
// Its one invariant: values made by its Parse functions are valid by construction;
// the zero value of a name is "none". The package does no I/O and imports nothing
// of ours.
package mesh
