// Package api defines doyen's HTTP API under /v1: requests and answers as Go values, shared by the server's handlers,
// the command line and the agent.
//
// Its one invariant: the JSON form is stable from the first release. Fields are added, never renamed and never given
// another meaning, and a reader ignores fields that it does not know. The package holds values only; it does no I/O.
package api
