// Package control is the loop that joins documents, instances and what proxies report, and publishes what the
// proxies need.
//
// One goroutine, in [Control.Run], owns all mutable state. It handles these events: the live revisions change,
// instances change, proxies report something, a node requests a new view, a worker starts or finishes the
// compilation of a view, a view has had no node for a long time, and the shutdown. Each input is an immutable
// value with a channel that closes when the value is stale, so a burst of changes costs one round.
//
// A view is what nodes with the same role, service or edge and ports get from one revision. The loop knows
// which documents the last compilation of each view read, and has a view compiled again only when one of them
// changes. Workers compile, on half of the processors; the loop never waits for them, so endpoints are published
// while views are compiled. A compilation is a pure function of documents and node; parts that several views have
// are encoded once.
//
// Endpoints do not go through the compiler: they are one linear cache that all nodes share, and
// clusters, listeners and routes are a snapshot per view. A mux joins the two into the one source that
// package xds serves; references order them across it. The cache has the ports of all live revisions: the accepted
// one, those that nodes are pinned to, and those that views have until their new snapshot is published.
//
// Its one invariant: nothing is published that is emptier than what the documents ask for. A view that cannot be
// compiled keeps its last snapshot and the endpoints that it uses.
package control
