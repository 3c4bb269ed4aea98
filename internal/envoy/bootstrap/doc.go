// Package bootstrap writes the files with which clients start: Envoy's bootstrap, that of gRPC programs,
// and complete Envoy files that need no server.
//
// Envoy's files are YAML for people to read. Its one invariant: every string in them is quoted, for Envoy
// reads YAML 1.1, where a bare n or off is false. Nothing here reads or writes a file but SystemCA, which looks for one.
package bootstrap
