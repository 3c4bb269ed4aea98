// Package ir is the intermediate model: what one view of the mesh resolves to, in doyen's own words.
//
// Package compile makes it from documents; package envoy turns it into resources. A [Proxy] is
// complete: every default is filled in, every name resolved, every duration decided, so that an
// encoder chooses words and never values. It holds everything but the endpoints of services, which
// come and go without a compilation and travel as an [EndpointSet] each.
//
// The package knows nothing of protobuf, of Envoy's or gRPC's words, and of I/O. Its one invariant:
// two equal values mean the same behaviour, and encode to the same bytes.
package ir
