package source

import (
	"cmp"
	"fmt"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// judge parses the content of the folder, and accepts, refuses or holds it.
func (f *Folder) judge(files config.Texts) {
	snapshot, problems := f.parser.Parse(files)
	if problems != nil {
		f.Log.Warn("documents have problems and are refused", "in_force", f.State().inForce(), "problems", len(problems), "first", problems[0].Error())
		f.update(func(s *State) { s.Problems, s.Held = problems, nil })
		return
	}
	now := f.guard.namesOf(&snapshot.Documents)
	reason := cmp.Or(f.guard.tooMany(now, time.Now()), f.guard.renamed(now, f.Instances))
	if reason != "" {
		f.Log.Warn("a change would remove what is in use and is held", "revision", snapshot.Revision, "reason", reason)
		held := &Held{Snapshot: snapshot, Removes: f.guard.removes(now), Reason: reason, Since: time.Now(), files: files}
		f.update(func(s *State) { s.Problems, s.Held = nil, held })
		return
	}
	f.accept(snapshot, files, false)
}

// accept puts a snapshot in force. decided says that a person has accepted it.
func (f *Folder) accept(snapshot *config.Snapshot, files config.Texts, decided bool) {
	now := time.Now()
	f.guard = f.guard.next(&snapshot.Documents, now, decided)
	f.Log.Info("documents accepted", "revision", snapshot.Revision, "services", snapshot.Counts.Services,
		"edges", snapshot.Counts.Edges, "externals", snapshot.Counts.Externals)
	f.update(func(s *State) { s.Snapshot, s.Since, s.Problems, s.Held = snapshot, now, nil, nil })
	f.unsaved.put(&accepted{now, snapshot.Revision, f.guard.names, f.guard.peaks, files})
	if decided {
		f.save()
	}
}

// release accepts the held change of that revision.
func (f *Folder) release(revision mesh.Revision) error {
	held := f.state.Load().Held
	switch {
	case held == nil:
		return fmt.Errorf("revision %s: no change is held", revision)
	case held.Snapshot.Revision != revision:
		return fmt.Errorf("revision %s: the held revision is %s", revision, held.Snapshot.Revision)
	}
	f.accept(held.Snapshot, held.files, true)
	return nil
}

func (f *Folder) unreadable(err error) {
	if text(f.State().Err) != err.Error() {
		f.Log.Error("documents cannot be read", "in_force", f.State().inForce(), "error", err)
	}
	f.update(func(s *State) { s.Err = err })
}
