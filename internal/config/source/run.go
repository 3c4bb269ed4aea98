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
	// eventPause is how long hints are collected before the files are read.
	eventPause = 5 * time.Millisecond
	// pollShare limits the cost of polling: after a poll, the next one waits at least this many times as long as the
	// poll took.
	pollShare = 250
)

// Run follows the folder until ctx ends.
func (f *Folder) Run(ctx context.Context) error {
	h := newHints()
	stop := f.watch(h)
	defer stop()
	return f.follow(ctx, h)
}

// follow is the loop of Run. Four things can happen: a hint arrives, it is time to read or to save, a person accepts a
// held change, and ctx ends.
func (f *Folder) follow(ctx context.Context, h *hints) error {
	defer close(f.stopped)
	defer f.save()
	f.poll() // for changes between Open and the start of the watch
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

// first reads the folder until no file changes any more, but not for longer than writingPatience. Files that were not
// modified for some time count as complete at once.
func (f *Folder) first() {
	f.settler.batch = 2 * writingPatience // never judge a part of the folder
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
		f.judge(config.Texts{}) // a folder without files, which is a problem
	case len(f.settler.wait) > 0 && f.State().Err == nil:
		f.unreadable(fmt.Errorf("folder %s: it is still being written", f.Options.Folder))
	}
	f.save()
}

// act does what is due: it saves, polls, or reads the waiting files again.
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

// next returns when something is due.
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

// poll reads the whole folder. An error is reported only if it occurs twice in a row, because a folder that is being
// replaced may be missing for a moment.
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

// lookAt reads the files that hints name, or the whole folder if a hint may concern more than one file.
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

// mayBeMore reports whether a change at a path may concern other files: the path is a folder or a link, or a link may
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

// lookAgain reads the waiting files again. If there was no hint for some of them, it reads the whole folder, because
// more files may have changed by now, and files that are changed together are judged together.
func (f *Folder) lookAgain() {
	if f.failed != nil || f.unhinted || len(f.settler.wait) > maxHints {
		f.poll()
		return
	}
	for _, path := range slices.Collect(maps.Keys(f.settler.wait)) {
		f.look(path)
	}
}

// settle judges the complete changes, and reports files that keep changing.
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
