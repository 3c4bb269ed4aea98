package source

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

// How long a changed file must stay the same before its change counts as complete.
const (
	// closedRest applies to a file that no process has open for writing, according to the operating system.
	closedRest = 25 * time.Millisecond
	// maxBatch is how long a complete change waits for others that are incomplete. So files that are written together
	// are accepted together, and a file that keeps changing does not hold up the others for longer than this.
	maxBatch = time.Second
	// maxVouched limits for how many changed files at a time the operating system is asked.
	maxVouched = 64
	// writingPatience is how long a file may keep changing before that is reported.
	writingPatience = 2 * time.Second
)

// pending is a change of one file that may be incomplete.
type pending struct {
	text  string
	gone  bool      // the file was removed
	since time.Time // when the file was first seen with this content
	first time.Time // when the file was first seen to differ from what was judged
}

// settler withholds changes until they are complete. It compares contents, so a file that is changed and changed back
// is not a change.
type settler struct {
	dir    string
	rest   time.Duration // how long a file must stay the same, unless the operating system says that it is closed
	batch  time.Duration // how long a complete change waits for others that are incomplete
	judged config.Texts  // the files that were judged last
	begun  bool          // files have been judged
	wait   map[string]pending
}

// note takes the current content of a file; nil if the file was removed.
func (s *settler) note(name string, now *file) {
	gone, text := now == nil, ""
	if !gone {
		text = now.text
	}
	if had, known := s.judged.Lookup(name); known != gone && had == text {
		delete(s.wait, name)
		return
	}
	at := time.Now()
	p, waits := s.wait[name]
	if waits && p.gone == gone && p.text == text {
		return
	}
	if !waits {
		p.first = at
	}
	p.text, p.gone, p.since = text, gone, at
	s.wait[name] = p
}

// restSinceChange marks the waiting files complete that have not been modified for some time. They still wait for
// incomplete ones.
func (s *settler) restSinceChange(t tree) {
	for name, p := range s.wait {
		if f := t.files[name]; f != nil && !f.fresh {
			p.since = p.since.Add(-s.rest)
			s.wait[name] = p
		}
	}
}

// due returns when changes are to be judged next: when all are complete, or when one has waited long enough for the
// others. It returns zero if none wait.
func (s *settler) due() time.Time {
	var all, one time.Time
	for name, p := range s.wait {
		rests := p.since.Add(s.restOf(name, p))
		if rests.After(all) {
			all = rests
		}
		if waited := p.since.Add(s.batch); one.IsZero() || waited.Before(one) {
			one = waited
		}
	}
	if one.Before(all) {
		return one
	}
	return all
}

// restOf returns how long a file must stay the same. The time is shorter for a file that no process has open for
// writing, that ends with a newline, and that has changed only once: a program that writes a file in several steps may
// be between two of them.
func (s *settler) restOf(name string, p pending) time.Duration {
	if p.gone || p.since != p.first || !strings.HasSuffix(p.text, "\n") || len(s.wait) > maxVouched || !isClosed(filepath.Join(s.dir, filepath.FromSlash(name))) {
		return s.rest
	}
	return min(closedRest, s.rest)
}

// settled returns the content of the folder with all complete changes. It returns false if there is nothing to judge: no
// change is complete, or the complete ones still wait for others.
func (s *settler) settled() (config.Texts, bool) {
	now := time.Now()
	resting, longest := []string{}, time.Duration(0)
	for name, p := range s.wait {
		if rested := now.Sub(p.since); rested >= s.restOf(name, p) {
			resting, longest = append(resting, name), max(longest, rested)
		}
	}
	if len(resting) == 0 || len(resting) < len(s.wait) && longest < s.batch {
		return config.Texts{}, false
	}
	for _, name := range resting {
		if p := s.wait[name]; p.gone {
			s.judged = s.judged.Without(name)
		} else {
			s.judged = s.judged.With(name, p.text)
		}
		delete(s.wait, name)
	}
	if len(s.wait) == 0 {
		s.wait = map[string]pending{} // iterating over a map that was large stays slow
	}
	s.begun = true
	return s.judged, true
}

// restless returns an error that names a file that keeps changing; nil if there is none.
func (s *settler) restless() error {
	for _, name := range slices.Sorted(maps.Keys(s.wait)) {
		if p := s.wait[name]; time.Since(p.first) > writingPatience && time.Since(p.since) < s.rest {
			return fmt.Errorf("folder %s: %s is still being written: its last complete content stays in force", s.dir, name)
		}
	}
	return nil
}
