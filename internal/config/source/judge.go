package source

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// judge decides what becomes of a folder that has settled.
func (f *Folder) judge(files config.Files) {
	f.seen = files
	snapshot, problems := config.Parse(files)
	if problems != nil {
		f.Log.Warn("documents have problems and are refused", "in_force", f.State().inForce(), "problems", len(problems), "first", problems[0].Error())
		f.update(func(s *State) { s.Problems, s.Held, s.Err = problems, nil, f.failure })
		return
	}
	if removes, reason := f.names.lost(namesOf(snapshot)); reason != "" {
		f.Log.Warn("a change would remove most of the mesh and is held", "revision", snapshot.Revision, "reason", reason)
		held := &Held{Snapshot: snapshot, Removes: removes, Reason: reason, Since: time.Now(), files: files}
		f.update(func(s *State) { s.Problems, s.Held, s.Err = nil, held, f.failure })
		return
	}
	f.accept(snapshot, files)
}

// accept puts a snapshot in force. A copy that cannot be written does not keep it from that: it is
// reported, and tried again.
func (f *Folder) accept(snapshot *config.Snapshot, files config.Files) {
	now := time.Now()
	f.names = namesOf(snapshot)
	f.unstored = &accepted{Accepted: now, Revision: snapshot.Revision, Names: f.names, Files: files}
	f.retry()
	f.Log.Info("documents accepted", "revision", snapshot.Revision, "services", snapshot.Counts.Services,
		"edges", snapshot.Counts.Edges, "externals", snapshot.Counts.Externals)
	f.update(func(s *State) {
		s.Snapshot, s.Since, s.Problems, s.Held, s.Err = snapshot, now, nil, nil, f.failure
	})
}

// retry writes what is accepted and not on disk.
func (f *Folder) retry() {
	if f.unstored == nil {
		return
	}
	if f.failure = f.store.save(f.unstored); f.failure != nil {
		f.Log.Error("accepted documents are not kept on disk", "error", f.failure)
		return
	}
	f.unstored = nil
}

// release accepts the held change of that revision.
func (f *Folder) release(revision mesh.Revision) error {
	held := f.state.Load().Held
	switch {
	case held == nil:
		return fmt.Errorf("revision %s: no change is held", revision)
	case held.Snapshot.Revision != revision:
		return fmt.Errorf("revision %s: held is %s", revision, held.Snapshot.Revision)
	}
	f.accept(held.Snapshot, held.files)
	return nil
}

func (f *Folder) unreadable(err error) {
	if text(f.State().Err) != err.Error() {
		f.Log.Error("documents cannot be read", "in_force", f.State().inForce(), "error", err)
	}
	f.update(func(s *State) { s.Err = err })
}

// names are what a set of documents describes, by kind. Each list is sorted.
type names struct {
	Services  []string `json:"services"`
	Edges     []string `json:"edges"`
	Externals []string `json:"externals"`
}

func namesOf(s *config.Snapshot) names {
	return names{sorted(s.Documents.Services), sorted(s.Documents.Edges), sorted(s.Documents.Externals)}
}

func sorted[K ~string, V any](m map[K]V) []string {
	all := make([]string, 0, len(m))
	for k := range maps.Keys(m) {
		all = append(all, string(k))
	}
	slices.Sort(all)
	return all
}

// lost lists what is in n and not in next. The reason is "" unless that is more than half of the services, the
// edges or the externals.
func (n names) lost(next names) (removes []string, reason string) {
	var reasons []string
	for _, kind := range []struct {
		name     string
		old, new []string
	}{
		{"service", n.Services, next.Services},
		{"edge", n.Edges, next.Edges},
		{"external", n.Externals, next.Externals},
	} {
		gone := 0
		for _, name := range kind.old {
			if _, kept := slices.BinarySearch(kind.new, name); !kept {
				removes = append(removes, kind.name+" "+name)
				gone++
			}
		}
		if 2*gone > len(kind.old) {
			reasons = append(reasons, fmt.Sprintf("%d of %d %ss", gone, len(kind.old), kind.name))
		}
	}
	if reasons == nil {
		return nil, ""
	}
	return removes, "it would remove " + strings.Join(reasons, " and ")
}
