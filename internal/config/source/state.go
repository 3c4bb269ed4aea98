package source

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// State says which documents are in force, and why the current content of the folder is not, if it is not. Immutable.
type State struct {
	Snapshot *config.Snapshot // in force; nil before the first valid one
	Since    time.Time        // when Snapshot was accepted

	// At most one of these is set. It says why the content of the folder is not in force.
	Problems config.Problems
	Held     *Held

	// Err says why the folder cannot be read, or why the accepted documents cannot be written to disk.
	Err error

	changed  chan struct{} // closed when there is a newer state
	replaced chan struct{} // closed when there is a newer Snapshot
}

// Held is a valid change that waits for a person to accept it, because it would remove most of the mesh.
type Held struct {
	Snapshot *config.Snapshot
	Removes  []string // the documents that it removes, by kind and name: "service users"
	Reason   string   // the limit that it exceeds
	Since    time.Time

	files config.Texts
}

func newState() *State {
	return &State{changed: make(chan struct{}), replaced: make(chan struct{})}
}

// Changed returns a channel that closes when there is a newer state.
func (s State) Changed() <-chan struct{} { return s.changed }

// inForce returns the revision in force, for the log.
func (s State) inForce() string {
	if s.Snapshot == nil {
		return "nothing"
	}
	return string(s.Snapshot.Revision)
}

// update applies change to the current state and publishes the result if it is different.
func (f *Folder) update(change func(*State)) {
	old := f.state.Load()
	next := *old
	change(&next)
	if next.equal(old) {
		return
	}
	next.changed = make(chan struct{})
	if next.Snapshot != old.Snapshot {
		next.replaced = make(chan struct{})
	}
	f.state.Store(&next)
	close(old.changed)
	if next.Snapshot != old.Snapshot {
		close(old.replaced)
	}
}

// equal compares what readers see. Problems are compared by their number and the identity of the first one, because each
// parse creates new ones.
func (s *State) equal(o *State) bool {
	sameProblems := len(s.Problems) == len(o.Problems) && (len(s.Problems) == 0 || &s.Problems[0] == &o.Problems[0])
	return s.Snapshot == o.Snapshot && s.Held == o.Held && sameProblems && text(s.Err) == text(o.Err)
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
