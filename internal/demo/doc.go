// Package demo runs a whole mesh on one machine, with the product's own commands as separate processes:
// a server, an edge, three services with two instances each behind real Envoys, a gRPC service without
// Envoy, a TCP server outside the mesh, and steady traffic. Run shows it; Check runs through what a mesh
// must survive, and says of each step what it saw.
//
// The package must never use a short cut that a user's mesh does not have: what it starts, edits and asks
// is what anybody can start, edit and ask. Its one invariant: when Run or Check return, no process and
// no file of theirs is left, but for documents in a folder that the caller named.
package demo
