// Package dynamoengine is an engine for sharing instances in one table of Amazon DynamoDB.
//
// The table has a partition key p (a string) and a sort key s (bytes). Under a prefix ("doyen") it has these items:
//
//	p                  s        attributes
//	doyen/versions     0        for each shard N of 16: eN, its epoch, and nN, its number; er and nr, those of the renewals
//	doyen/N            the key  r, an entry's rank in hexadecimal, and v, its value
//	doyen/N/EPOCH      number   c, changes up to that number, and x, when DynamoDB may delete the item
//	doyen/renewals/EPOCH  number   c, an entry of the log of renewals, and x
//
// Numbers in s are 8 bytes, big endian. A write puts entries, each on the condition that its rank is greater than that
// of the item, then adds to the number of the shard, and then puts the changes under the new number. DynamoDB has no
// push, so a watch reads the one item with all numbers several times a second, and the changes of a shard only when its
// number has changed.
//
// A server that dies between the first two steps leaves an entry that no number counts: other servers find it when they
// read the shard in their next audit, within three minutes. One that dies between the last two leaves a number without
// changes: other servers miss them, and read the shard within seconds.
//
// Its invariant: an entry is only replaced by one of a greater rank.
package dynamoengine
