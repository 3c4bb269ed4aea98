// Package redisengine is an engine for sharing instances in Redis or Valkey, 6.2 or later: one node, Sentinel or Cluster.
//
// It keeps, for each shard N of 16, under a prefix ("doyen"):
//
//	doyen:{N}:instances  hash    the entry of each instance: its rank in hexadecimal, then the value
//	doyen:{N}:version    hash    "epoch" and "number"
//	doyen:{N}:changes    stream  the last changes, about 1,000: e(poch), n(umber), k(ey), v: rank and value
//	doyen:renewals       stream  the log of renewals, about 1,000 entries: r
//
// A script writes entries, their versions and the stream in one atomic step. The keys of a shard share a
// hash tag, so that they are on one node of a Cluster.
//
// Its invariant: an entry in a hash is only replaced by one of a greater rank.
package redisengine
