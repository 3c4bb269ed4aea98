// Package api holds what doyen's HTTP API under /v1 says: requests and answers as Go values, shared
// by the server's handlers, the command line and the agent.
//
// Its one invariant: the JSON form is an interface from the first release. Fields are added, never
// renamed or given another meaning, and a reader ignores fields it does not know. The package holds
// values only; it does no I/O.
package api
