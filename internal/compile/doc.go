// Package compile turns documents and one view of the mesh into ir: it decides what a proxy does. Each feature has a
// file.
//
// It is pure. The same documents and view give the same ir on every server and at any time: it reads no clock,
// registry or file. Endpoints are not its concern, so instances come and go without a compilation. Its one invariant:
// a node gets only what its manifest, or its edge's document, names.
package compile
