// Package bootstrap writes the files with which clients start: Envoy's bootstrap, the one of gRPC
// programs, and complete static Envoy files that need no server.
package bootstrap
