package compare

import "time"

// Result is what was measured in a scenario. Durations are in nanoseconds, sizes in bytes.
type Result struct {
	Scenario
	Sync      Sync
	Memory    Memory
	Change    Change
	Rate      Rate
	IdleCores float64
	Verified  bool   // every client held exactly the source's names, versions and bytes at the end
	Error     string `json:",omitempty"`
}

// Sync is the first synchronization of all clients.
type Sync struct {
	CPU   time.Duration // of the server, until all acknowledgements are in
	Wall  time.Duration // until the last client had everything
	Bytes int64         // received by all clients together
}

// Memory is what the server needs when all clients are in sync.
type Memory struct {
	RSS             int64 // before garbage was collected
	Heap            int64 // in live objects
	HeapPerClient   int64 // more of it than with no client
	StackPerClient  int64
	GoroutinesExtra int // more than with no client
}

// Change is one change, until all clients have acknowledged it.
type Change struct {
	Count      int           // changes that were made
	CPU        time.Duration // of the server, mean
	P50, P99   time.Duration // until a client has it: median over the changes
	Blocked    time.Duration // of the writer, median
	BlockedMax time.Duration
	Bytes      int64 // received by all clients together, mean
}

// Rate is a steady stream of changes.
type Rate struct {
	Asked, Made int
	PerSecond   float64       // that the writer could make
	P50, P99    time.Duration // until a client has one, or a later one of the same assignment
	Cores       float64       // of the server
}
