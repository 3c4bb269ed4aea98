package serve

import "time"

// Command is what a server process is told, one JSON value each.
type Command struct {
	Do    string        `json:"do"`
	Every time.Duration `json:"every,omitzero"` // of "rate"
	For   time.Duration `json:"for,omitzero"`   // of "rate"
	Path  string        `json:"path,omitzero"`  // of "profile": without an ending
}

// What a server process can do.
const (
	doPrepare  = "prepare"  // make the bytes of the next change
	doPublish  = "publish"  // publish them
	doRate     = "rate"     // make changes, one each Every, for For
	doMemory   = "memory"   // collect garbage and measure
	doVersions = "versions" // of everything there is
	doProfile  = "profile"  // begin a CPU profile; or end it and write it and one of the heap
)

// Answer is what it says, one JSON value for each command and one before the first.
type Answer struct {
	Error    string                       `json:"error,omitzero"`
	Address  string                       `json:"address,omitzero"`
	Changes  Changes                      `json:"changes,omitzero"`
	Memory   Memory                       `json:"memory,omitzero"`
	Versions map[string]map[string]string `json:"versions,omitempty"`
}

// Changes are changes that were published one after the other.
type Changes struct {
	Last    uint32          `json:"last"`    // the sequence of the last one
	Starts  []int64         `json:"starts"`  // when the writer began to publish, nanoseconds since the epoch
	Blocked []time.Duration `json:"blocked"` // how long the writer's call took
}

// Memory is what a process needs.
type Memory struct {
	RSS        int64 `json:"rss"`  // bytes, before the garbage was collected
	Heap       int64 `json:"heap"` // bytes in live objects
	Stacks     int64 `json:"stacks"`
	Goroutines int   `json:"goroutines"`
}
