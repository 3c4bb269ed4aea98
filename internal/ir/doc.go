// Package ir is the intermediate model: what one view of the mesh resolves to, in doyen's own terms.
//
// Package compile creates it from documents, and package envoy turns it into resources. A [Proxy] is complete: it has
// a value for every default, name and duration, so that an encoder decides nothing. It holds everything but the
// endpoints of services, which change without a compilation and are separate values ([EndpointSet]).
//
// The package does no I/O, and knows neither protobuf nor the vocabulary of Envoy and gRPC. Its one invariant: two
// equal values mean the same behaviour, and encode to the same bytes.
package ir
