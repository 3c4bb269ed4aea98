// Package serve holds the servers that are compared: go-control-plane with its two caches, doyen
// with its two, and the floor, which only writes bytes that are ready.
//
// Each runs in a process of its own, this program started once more, so that its CPU time and
// memory are its own. The process serves xDS on a port of the loopback and takes commands as JSON
// values on standard input; it ends when its input does.
package serve
