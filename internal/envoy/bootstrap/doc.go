// Package bootstrap writes the files with which clients start: Envoy's bootstrap, that of gRPC programs, and complete
// Envoy files that need no server.
//
// Envoy's files are YAML that people can read. Its one invariant: every string in them is quoted, because Envoy reads
// YAML 1.1, in which a bare n or off is false. Nothing here reads or writes a file, except that SystemCA looks for
// one.
package bootstrap
