// Package compile turns documents and one view of the mesh into ir: it decides what a proxy does,
// one file for each feature.
//
// It is pure. The same documents and view give the same ir, whatever server asks and whenever; it
// reads no clock, registry or file. Endpoints are not its business, so instances may come and go
// without it. Its one invariant: a node gets only what its manifest, or its edge's document, names.
package compile
