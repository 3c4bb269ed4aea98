// Package demo runs a whole mesh on one machine, with the product's own commands as separate processes:
// a server, an edge, three services with two instances each behind real Envoys, a gRPC service without
// Envoy, a TCP server outside the mesh, and steady traffic. Run shows it. Check runs
// through what a mesh must survive, and prints what it measured in each step.
//
// The package never takes a shortcut that a user's mesh does not have: it starts, edits and calls only what anybody
// can. Its one invariant: when Run or Check has returned, none of their processes and files is left, except documents
// in a folder that the caller named.
package demo
