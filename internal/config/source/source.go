// Package source follows a folder of documents. It accepts a change when the change is complete and valid and does not
// remove most of the mesh, and keeps a copy of the accepted documents on disk.
//
// Its one invariant: if the folder cannot be read, has problems, or would remove most of the mesh, the documents that
// were accepted last stay in force, also over a restart. Run owns all mutable state. Others read immutable values.
package source

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Options configure a Folder.
type Options struct {
	Folder string       // the folder of documents
	State  string       // the folder for the copy of the accepted documents; "" for no copy
	Log    *slog.Logger // required
	// Instances returns how many instances a service has now. It is called for services that a change removes or
	// adds. If it is nil, no service has any.
	Instances func(mesh.ServiceName) int
	Settle    time.Duration // how long a changed file must stay the same before it is parsed; default 100 ms
	Poll      time.Duration // how often the whole folder is read without a notification; default 5 s
}

// Folder follows a folder of documents.
type Folder struct {
	// Fixed after construction.
	Options
	store store

	accepts chan acceptance
	stopped chan struct{} // closed when Run has returned
	state   atomic.Pointer[State]

	// Owned by Run, and before it by Open.
	tree     tree    // the content of the folder
	settler  settler // its changes, until they are complete
	parser   config.Parser
	guard    guard     // the names in the accepted documents
	failed   error     // of the last attempt to read the folder
	unhinted bool      // some waiting changes were found by reading the whole folder
	nextPoll time.Time // when the whole folder is read again
	unsaved  unsaved   // accepted documents that are not on disk yet
}

// acceptance asks Run to accept the held change.
type acceptance struct {
	revision mesh.Revision
	done     chan error
}

// Open reads the copy of the accepted documents, if there is one, and then the folder. It returns an error if there is
// no copy and the folder cannot be read. A folder with problems is not an error; the state says what is wrong.
func Open(o Options) (*Folder, error) {
	if o.Settle == 0 {
		o.Settle = 100 * time.Millisecond
	}
	if o.Poll == 0 {
		o.Poll = 5 * time.Second
	}
	if o.Instances == nil {
		o.Instances = func(mesh.ServiceName) int { return 0 }
	}
	f := &Folder{
		Options: o, store: store{dir: o.State}, accepts: make(chan acceptance), stopped: make(chan struct{}),
		tree:    tree{dir: o.Folder},
		settler: settler{dir: o.Folder, rest: o.Settle, batch: maxBatch, wait: map[string]pending{}},
	}
	f.state.Store(newState())
	if err := f.restore(); err != nil {
		return nil, err
	}
	f.first()
	for _, name := range config.Unread(o.Folder) {
		f.Log.Warn("file is not read: the names of documents end in .yaml or .yml", "file", name)
	}
	if s := f.State(); s.Err != nil && s.Snapshot == nil {
		return nil, s.Err
	}
	return f, nil
}

// restore puts the documents in force that an earlier process accepted.
func (f *Folder) restore() error {
	last, err := f.store.load()
	if err != nil || last == nil {
		return err
	}
	f.guard = guard{names: last.names, peaks: last.peaks}
	snapshot, problems := f.parser.Parse(last.files)
	if problems != nil {
		f.Log.Warn("documents accepted before are not valid any more", "problem", problems[0].Error())
		return nil
	}
	f.update(func(s *State) { s.Snapshot, s.Since = snapshot, last.at })
	f.settler.judged, f.settler.begun = last.files, true
	f.tree.restore(last.files)
	return nil
}

// Folder returns the path of the folder of documents.
func (f *Folder) Folder() string { return f.Options.Folder }

// State returns the current state of the folder.
func (f *Folder) State() State { return *f.state.Load() }

// Accepted returns the documents in force, or nil if none have been accepted yet, and a channel that closes when other
// documents are in force.
func (f *Folder) Accepted() (*config.Snapshot, <-chan struct{}) {
	s := f.state.Load()
	return s.Snapshot, s.replaced
}

// Accept accepts the held change with that revision. It returns an error if that change is not held, or not any more
// because the folder has changed. It waits for Run.
func (f *Folder) Accept(revision mesh.Revision) error {
	a := acceptance{revision, make(chan error, 1)}
	select {
	case f.accepts <- a:
		return <-a.done
	case <-f.stopped:
		return fmt.Errorf("revision %s: the folder is not watched any more", revision)
	}
}
