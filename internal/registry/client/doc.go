// Package client calls the registry's HTTP API: for the agent, which checks an instance
// in, and for the command line.
//
// One call here is one request: whoever calls decides whether and when to try again, with
// [Error.Temporary] and the time that the server named in the last answer. The package
// keeps no state.
package client
