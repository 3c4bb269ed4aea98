// Package registry keeps the instances of every service: where they run, in which state, and until when that is
// valid.
//
// An instance that checks in holds a [Lease]. It renews the lease with the same call. It is removed when it leaves,
// or when the lease ends without a renewal. Readers use the current [Snapshot], an immutable value with a channel
// that closes when the snapshot is stale. A check-in that only renews a lease makes no snapshot, wakes nobody and
// writes nothing to disk.
//
// If many leases are about to end at the same time, it is more likely that the instances cannot reach the registry
// than that all of them died. Expiry then pauses for them (a [Doubt]). It resumes by itself within a limit, and an
// operator can end the pause with either decision.
//
// A [Store] keeps instances beyond the life of the process. Instances that are loaded from it get a whole new lease,
// because their check-ins could not reach a server that was down.
//
// Registries of several servers can share instances: each offers its changes as [Record]s and merges those of the
// others ([Registry.Merge]). Package share connects a registry with the store in which servers meet.
//
// The package does no HTTP. Its subpackage api serves it, and client calls it.
//
// Its one invariant: what was checked in here was stored before it is in a snapshot, so that an answered check-in
// survives the process. What other servers report is in a snapshot at once and stored soon after. In contrast, removals are in a snapshot before they are stored, because an instance that returns after a crash is less
// harmful than traffic to an instance that has left.
package registry
