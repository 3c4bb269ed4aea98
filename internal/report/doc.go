// Package report keeps what proxies report about what they were sent. Today these are rejections; load and health
// will follow.
//
// The xDS server's callbacks inform a [Collector], which provides a [Snapshot]: an immutable value with a channel
// that closes when it is stale. The collector must never block a stream, so its lock is held for memory work only.
//
// Its one invariant: a snapshot holds a bounded part of what each stream reported, and nothing of streams that have
// ended.
package report
