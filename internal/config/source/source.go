// Package source keeps the documents of one folder: it notices when they change, takes a change only
// when it is complete, valid and not suspiciously destructive, and remembers what it took.
//
// Its one invariant: a folder that cannot be read, holds problems, or would remove most of the mesh
// changes nothing; what was accepted last stays in force, over a restart too. Run owns all state;
// everybody else reads immutable values.
package source

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Options say where documents are and what is kept of them.
type Options struct {
	Folder string       // the folder of documents
	State  string       // a folder of our own for what survives a restart; "" keeps nothing
	Log    *slog.Logger // required
	// Instances returns how many instances a service has now. It is asked about services that a change
	// removes or adds; nil knows of none.
	Instances func(mesh.ServiceName) int
	Settle    time.Duration // how long a changed folder must stay as it is to be believed; default 100 ms
	Poll      time.Duration // how often the folder is read though nothing told of a change; default 5 s
}

// Folder is a folder of documents as it is accepted.
type Folder struct {
	// Fixed after construction.
	Options
	store store

	accepts chan acceptance
	stopped chan struct{} // closed when Run has returned
	state   atomic.Pointer[State]

	// Owned by Run, and before it by Open.
	tree     tree    // what the folder holds
	settler  settler // which of its changes are believed
	parser   config.Parser
	guard    guard     // what the accepted folders had
	failed   error     // of the last look at the folder
	unhinted bool      // some of what waits was found by reading the whole folder
	nextPoll time.Time // when the whole folder is read again
	unsaved  unsaved   // what was accepted and is not on disk
}

// acceptance asks Run to let a held change through.
type acceptance struct {
	revision mesh.Revision
	done     chan error
}

// Open returns the folder with what was accepted before the process began, or else with what the
// folder holds now. It is an error that there is neither, because the folder cannot be read; that the
// folder has problems is not.
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

// restore puts in force what was accepted before the process began.
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

// Folder is where the documents are.
func (f *Folder) Folder() string { return f.Options.Folder }

// State is the folder's state now.
func (f *Folder) State() State { return *f.state.Load() }

// Accepted returns the documents in force, nil before there were any, and a channel that closes when
// others are.
func (f *Folder) Accepted() (*config.Snapshot, <-chan struct{}) {
	s := f.state.Load()
	return s.Snapshot, s.replaced
}

// Accept lets the held change of that revision through. It is an error that no such change is held; the
// folder may have changed since. It waits for Run.
func (f *Folder) Accept(revision mesh.Revision) error {
	a := acceptance{revision, make(chan error, 1)}
	select {
	case f.accepts <- a:
		return <-a.done
	case <-f.stopped:
		return fmt.Errorf("revision %s: the folder is not watched any more", revision)
	}
}
