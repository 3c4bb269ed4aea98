// Package client calls the registry's HTTP API: for the agent, which checks an instance in, and for the command line.
//
// Its one invariant: one call is one request. The caller decides whether and when to retry, by
// [httpapi.Refused.Temporary] and the time in the last answer. The package keeps no state.
package client
