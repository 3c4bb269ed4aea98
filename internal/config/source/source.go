// Package source keeps the documents of one folder: it notices when they change, takes a change only
// when it is complete, valid and not suspiciously destructive, and remembers what it took.
//
// Its one invariant: a folder that cannot be read, holds problems, or would remove most of the mesh
// changes nothing; what was accepted last stays in force, over a restart too. Run owns all state;
// everybody else reads immutable values.
package source

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// Options say where documents are and what is kept of them.
type Options struct {
	Folder string        // the folder of documents
	State  string        // a folder of our own for what survives a restart; "" keeps nothing
	Log    *slog.Logger  // required
	Settle time.Duration // how long a changed folder must stay as it is to be believed; default 100 ms
	Poll   time.Duration // how often the folder is read though nothing told of a change; default 5 s
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
	seen     config.Files // what was judged last; nil for nothing
	names    names        // what the last accepted folder had
	unstored *accepted    // accepted, but not on disk because writing it went wrong
	failure  error        // of the last attempt to write it
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
	f := &Folder{Options: o, store: store{o.State}, accepts: make(chan acceptance), stopped: make(chan struct{})}
	f.state.Store(newState())
	if err := f.restore(); err != nil {
		return nil, err
	}
	f.look(context.Background())
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
	f.names = last.Names
	snapshot, problems := config.Parse(last.Files)
	if problems != nil {
		f.Log.Warn("documents accepted before are not valid any more", "problem", problems[0].Error())
		return nil
	}
	f.update(func(s *State) { s.Snapshot, s.Since = snapshot, last.Accepted })
	f.seen = last.Files
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

// Run follows the folder until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	hints, stop := f.watch()
	defer stop()
	return f.follow(ctx, hints)
}

// follow is Run with the hints that something may have changed. There are four things that can happen:
// a hint, the time for a look without one, a person lets a change through, and the end.
func (f *Folder) follow(ctx context.Context, hints <-chan struct{}) error {
	defer close(f.stopped)
	poll := time.NewTicker(f.Poll)
	defer poll.Stop()
	f.look(ctx) // what changed after Open, before anyone watched
	for {
		select {
		case <-hints:
			f.look(ctx)
		case <-poll.C:
			f.look(ctx)
		case a := <-f.accepts:
			a.done <- f.release(a.revision)
		case <-ctx.Done():
			return nil
		}
	}
}

// patience is how often a folder that keeps changing is read before that is reported.
const patience = 20

// look reads the folder, and judges it if it is not as it was judged last.
func (f *Folder) look(ctx context.Context) {
	f.retry()
	files, err := config.ReadDir(f.Options.Folder)
	for range patience {
		if err == nil && same(files, f.seen) {
			if f.failure == nil && f.State().Err != nil {
				f.Log.Info("documents are read and kept again", "in_force", f.State().inForce())
			}
			f.update(func(s *State) { s.Err = f.failure })
			return
		}
		again, errAgain := f.readLater(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && errAgain != nil:
			f.unreadable(errAgain)
			return
		case err == nil && errAgain == nil && same(files, again):
			f.judge(files)
			return
		}
		files, err = again, errAgain
	}
	f.unreadable(fmt.Errorf("folder %s: it does not stay as it is for %v", f.Options.Folder, f.Settle))
}

// readLater reads after the time in which a folder that is being written would change once more.
func (f *Folder) readLater(ctx context.Context) (config.Files, error) {
	select {
	case <-time.After(f.Settle):
		return config.ReadDir(f.Options.Folder)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func same(a, b config.Files) bool {
	if len(a) != len(b) || a == nil || b == nil {
		return false
	}
	for name, text := range a {
		other, ok := b[name]
		if !ok || string(text) != string(other) {
			return false
		}
	}
	return true
}

// stateFile is where the accepted documents are kept.
func stateFile(dir string) string { return filepath.Join(dir, "accepted.json") }
