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

// How long changes must rest before they are believed.
const (
	// closedRest is for a file that the system says nobody has open for writing.
	closedRest = 25 * time.Millisecond
	// maxBatch is how long a change that rests waits for others that do not, so that files which are
	// written together are judged together and steady editing starves nobody.
	maxBatch = time.Second
	// maxVouched is up to how many changed files the system is asked about.
	maxVouched = 64
	// writingPatience is how long a file may go on changing before that is reported.
	writingPatience = 2 * time.Second
)

// pending is a change of one file that is not believed yet.
type pending struct {
	text  string
	gone  bool      // there is no such file
	since time.Time // when it was first seen as it is now
	first time.Time // when the file was first seen to differ from what was judged
}

// settler holds changes back until they rest. It decides by content alone, so a file that is changed and
// changed back is no change.
type settler struct {
	dir    string
	rest   time.Duration // how long a change must rest that the system does not vouch for
	batch  time.Duration // how long a change that rests waits for others that do not
	judged config.Texts  // what was judged last
	begun  bool          // something was judged
	wait   map[string]pending
}

// note takes what a file holds now; nil when it is gone.
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

// restSinceChange lets what waits rest already if its file did not change for some time. It goes on waiting for
// others.
func (s *settler) restSinceChange(t tree) {
	for name, p := range s.wait {
		if f := t.files[name]; f != nil && !f.fresh {
			p.since = p.since.Add(-s.rest)
			s.wait[name] = p
		}
	}
}

// due returns when changes may be believed next, zero when none waits: when all rest, or when one has waited
// for the others for long enough.
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

// restOf is how long a change must rest: shorter for a file that nobody has open for writing and that looks complete,
// because it ends with a line and changed just once. Who writes a file in several steps may be between two of them.
func (s *settler) restOf(name string, p pending) time.Duration {
	if p.gone || p.since != p.first || !strings.HasSuffix(p.text, "\n") || len(s.wait) > maxVouched || !isClosed(filepath.Join(s.dir, filepath.FromSlash(name))) {
		return s.rest
	}
	return min(closedRest, s.rest)
}

// settled returns what the folder holds once the changes that rest are made. It reports false while there is nothing
// to judge: nothing rests, or others do not and may belong to what does.
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
		s.wait = map[string]pending{} // one that has been large would stay slow
	}
	s.begun = true
	return s.judged, true
}

// restless says which file goes on changing; nil when none does.
func (s *settler) restless() error {
	for _, name := range slices.Sorted(maps.Keys(s.wait)) {
		if p := s.wait[name]; time.Since(p.first) > writingPatience && time.Since(p.since) < s.rest {
			return fmt.Errorf("folder %s: %s is still being written: its last complete content stays in force", s.dir, name)
		}
	}
	return nil
}
