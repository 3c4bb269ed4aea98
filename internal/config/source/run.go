package source

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/doyen-mesh/doyen/internal/config"
)

const (
	// eventPause is for how long hints are collected before they are followed.
	eventPause = 5 * time.Millisecond
	// pollShare bounds what reading the folder without a hint costs: after a look, the time that it took, times
	// this, passes before the next one.
	pollShare = 250
)

// Run follows the folder until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	h := newHints()
	stop := f.watch(h)
	defer stop()
	return f.follow(ctx, h)
}

// follow is Run with the hints that something may have changed. There are four things that can happen:
// a hint, the time for a look or for saving, a person lets a change through, and the end.
func (f *Folder) follow(ctx context.Context, h *hints) error {
	defer close(f.stopped)
	defer f.save()
	f.poll() // what changed after Open, before anyone watched
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-h.wake:
			if !pause(ctx, eventPause) {
				return nil
			}
			f.lookAt(h.take())
		case <-timer.C:
			f.act()
		case a := <-f.accepts:
			a.done <- f.release(a.revision)
		case <-ctx.Done():
			return nil
		}
		f.settle()
		timer.Reset(time.Until(f.next()))
	}
}

func pause(ctx context.Context, length time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(length):
		return true
	}
}

// first reads the folder until all of it rests, for a while. What did not change for some time rests already.
func (f *Folder) first() {
	f.settler.batch = 2 * writingPatience // a part of a folder may be another mesh
	defer func() { f.settler.batch = maxBatch }()
	f.poll()
	f.settler.restSinceChange(f.tree)
	for end := time.Now().Add(writingPatience); ; f.lookAgain() {
		f.settle()
		done := len(f.settler.wait) == 0 && f.failed == nil
		if done || f.State().Err != nil || time.Now().After(end) {
			break
		}
		time.Sleep(f.Settle)
	}
	switch {
	case f.failed != nil:
		f.unreadable(f.failed)
	case !f.settler.begun && len(f.settler.wait) == 0:
		f.judge(config.Texts{}) // there is no file at all, which is a problem
	case len(f.settler.wait) > 0 && f.State().Err == nil:
		f.unreadable(fmt.Errorf("folder %s: it is still being written", f.Options.Folder))
	}
	f.save()
}

// act does what is due.
func (f *Folder) act() {
	now := time.Now()
	if at := f.unsaved.due(); !at.IsZero() && !now.Before(at) {
		f.save()
	}
	switch {
	case !now.Before(f.nextPoll):
		f.poll()
	default:
		f.lookAgain()
	}
}

// next is when something is due.
func (f *Folder) next() time.Time {
	next := f.nextPoll
	if at := f.unsaved.due(); !at.IsZero() && at.Before(next) {
		next = at
	}
	if at := f.settler.due(); f.failed == nil && !at.IsZero() && at.Before(next) {
		next = at
	}
	return next
}

// poll reads the whole folder. A failure counts once it happened twice in a row: what is being replaced may be
// missing for a moment.
func (f *Folder) poll() {
	start := time.Now()
	waited := len(f.settler.wait)
	err := f.tree.scan(f.settler.note)
	f.unhinted = f.unhinted && waited > 0 || len(f.settler.wait) > waited
	interval := max(f.Poll, pollShare*time.Since(start))
	switch {
	case err != nil && f.failed != nil:
		f.unreadable(err)
	case err != nil:
		interval = f.Settle
	}
	f.failed = err
	f.nextPoll = time.Now().Add(interval)
}

// lookAt follows hints.
func (f *Folder) lookAt(paths map[string]bool, all bool) {
	if all || f.failed != nil || slices.ContainsFunc(slices.Collect(maps.Keys(paths)), f.mayBeMore) {
		f.poll()
		return
	}
	for path := range paths {
		if config.IsDocument(path) {
			f.look(path)
		}
	}
}

// mayBeMore reports whether a change at a path may be one of other files: it is a folder or a link, or links may
// lead to it.
func (f *Folder) mayBeMore(path string) bool {
	info, err := os.Lstat(filepath.Join(f.Options.Folder, filepath.FromSlash(path)))
	document := config.IsDocument(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return info.IsDir() && f.tree.hasBelow(path) || info.Mode()&os.ModeSymlink != 0 && (document || f.tree.hasLinks())
	case document && err == nil:
		return false
	default:
		return f.tree.hasBelow(path) || !document && f.tree.hasLinks()
	}
}

func (f *Folder) look(path string) {
	if err := f.tree.look(path, f.settler.note); err != nil {
		f.failed, f.nextPoll = err, time.Now().Add(f.Settle)
	}
}

// lookAgain looks whether the changes that wait are still the same, and where nothing told of them whether there are
// more by now: what is changed together is judged together.
func (f *Folder) lookAgain() {
	if f.failed != nil || f.unhinted || len(f.settler.wait) > maxHints {
		f.poll()
		return
	}
	for _, path := range slices.Collect(maps.Keys(f.settler.wait)) {
		f.look(path)
	}
}

// settle judges what rests, and says what does not.
func (f *Folder) settle() {
	if f.failed != nil {
		return
	}
	if files, changed := f.settler.settled(); changed {
		f.judge(files)
	}
	err := f.settler.restless()
	switch {
	case err != nil:
		f.unreadable(err)
	case f.State().Err != nil && f.unsaved.err == nil:
		f.Log.Info("documents are read and kept again", "in_force", f.State().inForce())
		fallthrough
	default:
		f.update(func(s *State) { s.Err = f.unsaved.err })
	}
}
