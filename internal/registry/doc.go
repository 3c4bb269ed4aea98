// Package registry knows the instances of every service: who runs where, in which
// state, and until when that is believed.
//
// An instance checks in and so holds a [Lease]; it renews the lease with the same call,
// and it is gone when it leaves, or when the lease lapses without a renewal. Whoever
// routes to instances reads the current [Snapshot], an immutable value with a channel
// that closes when the snapshot is stale. A check-in that only renews a lease makes no
// snapshot, wakes nobody and touches no disk.
//
// When many leases are about to lapse at once, it is likelier that the registry lost
// sight of the instances than that all of them died: expiry pauses for them (a [Doubt]),
// resumes by itself within a bound, and an operator can end the pause either way.
//
// A [Store] keeps instances beyond the life of the process. Who was read from it gets a
// whole new lease: a server that was away has heard nobody, and concludes nothing from
// that.
//
// The package does no HTTP; its subpackages do: api serves it, client calls it.
//
// Its one invariant: what a snapshot shows was accepted by the store first, so that an
// answered check-in survives the process; removals are in a snapshot before they are
// stored, because an instance that comes back after a crash costs less than one that gets
// traffic after its goodbye.
package registry
