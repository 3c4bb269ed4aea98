package source

import (
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// State is what a folder is in force, and why what it holds now is not. Immutable.
type State struct {
	Snapshot *config.Snapshot // in force; nil before there was a first valid one
	Since    time.Time        // when Snapshot was accepted

	// At most one of these two says why the folder's content is not in force.
	Problems config.Problems
	Held     *Held

	// Err says why the folder cannot be read, or what was accepted cannot be kept on disk.
	Err error

	changed  chan struct{} // closed when the state is another
	replaced chan struct{} // closed when Snapshot is another
}

// Held is a valid change that waits for a person, because it would remove most of the mesh.
type Held struct {
	Snapshot *config.Snapshot
	Removes  []string // what would go, by kind and name: "service users"
	Reason   string   // the bound it goes beyond
	Since    time.Time

	files config.Texts
}

func newState() *State {
	return &State{changed: make(chan struct{}), replaced: make(chan struct{})}
}

// Changed closes when the state is not this one any more.
func (s State) Changed() <-chan struct{} { return s.changed }

// inForce names what is in force, for the log.
func (s State) inForce() string {
	if s.Snapshot == nil {
		return "nothing"
	}
	return string(s.Snapshot.Revision)
}

// update publishes a state that differs from the present one by change, unless it does not differ.
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

// equal compares what a reader would see. Problems are compared by length and identity of their first:
// each judgement makes new ones.
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
