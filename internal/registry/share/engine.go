package share

import (
	"context"
	"fmt"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// Shards is the number of parts that entries are spread over, by service.
const Shards = 16

// Bounds of what is written to an engine, and believed when it is read.
const (
	MaxKey     = 192      // bytes of an entry's key
	MaxValue   = 64 << 10 // bytes of an entry's value
	MaxEntries = 256      // entries in one Write or Forget
	MaxRenewal = 64 << 10 // bytes of one entry in the log of renewals
)

// Entry is one record as an engine keeps it.
type Entry struct {
	Key   string        // names the instance
	Rank  registry.Rank // entries of one key replace each other in this order, compared byte by byte
	Value []byte        // the record
}

// Version says which changes of a shard are known.
type Version struct {
	Epoch  string // a random name that the shard got with its first entry; "" when it has none
	Number uint64 // counts changes in this epoch
}

// BrokenError says that one key of an engine cannot be used, while all others can be.
type BrokenError struct {
	Key     string // as the engine names it
	Problem string // what it is, and what was done about it
	Hint    string // what to do
	Mended  bool   // the next call works
}

// Error returns the key and the problem.
func (e *BrokenError) Error() string { return fmt.Sprintf("key %s: %s", e.Key, e.Problem) }

// Change is an entry that was written, and the version of its shard since then.
type Change struct {
	Shard int
	Version
	Entry
}

// Engine is where servers meet. Each method but Watch returns when ctx ends, at the latest, and may be called
// from several goroutines. After an error a Write may have happened or not. An error that concerns one key only is a
// [BrokenError].
type Engine interface {
	// Write stores each of at most MaxEntries entries of one shard, unless the shard has an entry of the same
	// key and an equal or greater rank; both in one atomic step, for each entry. It returns what the shard has
	// in place of those of lower rank.
	Write(ctx context.Context, shard int, entries []Entry) (newer []Entry, err error)
	// Forget removes the entries, at most MaxEntries of one shard, that still have these ranks. It makes no change.
	Forget(ctx context.Context, shard int, entries []Entry) error
	// Read returns all entries of a shard, and the version that it had before they were read.
	Read(ctx context.Context, shard int) ([]Entry, Version, error)
	// Versions returns the versions of all shards; the zero version for one whose version cannot be read.
	Versions(ctx context.Context) ([Shards]Version, error)
	// Watch calls changed with what is written from now on, those of a shard in their order, until ctx ends
	// or an error. It calls it once with nothing when it has begun. Changes may be missing, and come twice.
	Watch(ctx context.Context, changed func([]Change)) error
	// Renew adds an entry to the log of renewals, which keeps at least the last 100.
	Renew(ctx context.Context, entry []byte) error
	// Renewals returns entries of the log after a position, and the position after them. It returns those from
	// now on for "", and all that it has when the position is one of a log that is gone. It does not wait.
	Renewals(ctx context.Context, after string) (entries [][]byte, next string, err error)
}
