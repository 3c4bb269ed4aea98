// Package mesh measures a doyen server that controls a mesh of a thousand services: the processor
// time, the bytes, the memory and the time that one change costs, from the document or check-in that
// makes it until the last proxy has acknowledged it.
//
// The server is the doyen program in a process of its own. The proxies are simulated sidecars and
// edges in another: each is an incremental ADS stream on a connection of its own that subscribes and
// acknowledges as Envoy does. Every figure is a row of one table, [Rows], and can be taken alone.
package mesh
