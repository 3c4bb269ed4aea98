// Package client calls the registry's HTTP API: for the agent, which checks an instance
// in, and for the command line.
//
// Its one invariant: one call here is one request. Whoever calls decides whether and when to
// try again, with [Error.Temporary] and the time that the server named in the last answer.
// The package keeps no state.
package client
