// Package report keeps what proxies say of what they were sent. Today that is what they reject; load and health
// will join it.
//
// A [Collector] is told by the xDS server's callbacks and hands out a [Snapshot]: an immutable value with a
// channel that closes when it is stale. It must never hold up a stream, so its lock is held for memory work only.
//
// Its one invariant: a snapshot holds a bounded part of what each stream said, and nothing of streams that have
// ended.
package report
