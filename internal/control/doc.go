// Package control is the loop that joins documents and instances and publishes what the proxies need.
//
// One goroutine, in [Control.Run], owns all that changes. Five things can happen to it: the documents
// change, instances change, a node asks for a view that nobody had, a view has been without a node for
// long, and the end. Everything it reads is an immutable value with a channel that closes when it is
// stale, so a burst of changes costs one round and not one each.
//
// Endpoints do not go through the compiler: they are one linear cache that all nodes share, and
// clusters, listeners and routes are a snapshot per view. A mux joins the two into the one source that
// package xds serves; references order them across it.
//
// Its one invariant: nothing is published that is emptier than what a person asked for. A view that
// cannot be compiled keeps what it last had.
package control
