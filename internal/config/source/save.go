package source

import "time"

// How often accepted documents are written to disk. A burst of edits is written once. After a crash in between, the
// server starts with an older copy and reads the newer documents from the folder.
const (
	saveDelay = 200 * time.Millisecond
	saveRetry = 5 * time.Second
	saveShare = 20 // after a save, the next one waits this many times as long as the save took
)

// unsaved is what has been accepted and is not on disk yet.
type unsaved struct {
	accepted *accepted // nil if everything is on disk
	err      error     // of the last attempt to write
	at       time.Time // when accepted is to be written
	earliest time.Time // when something may be written again
}

func (u *unsaved) put(a *accepted) {
	if u.accepted == nil {
		u.at = time.Now().Add(saveDelay)
	}
	u.accepted = a
}

// due returns when to save, or zero if there is nothing to save.
func (u *unsaved) due() time.Time {
	if u.accepted == nil {
		return time.Time{}
	}
	if u.at.Before(u.earliest) {
		return u.earliest
	}
	return u.at
}

// save writes the accepted documents to disk. If that fails, they stay in force, the state reports the error, and the
// next save tries again.
func (f *Folder) save() {
	u := &f.unsaved
	if u.accepted == nil {
		return
	}
	start := time.Now()
	err := f.store.save(u.accepted)
	u.earliest = time.Now().Add(saveShare * time.Since(start))
	if err != nil {
		if u.err == nil {
			f.Log.Error("accepted documents cannot be written to disk", "error", err)
		}
		u.at = time.Now().Add(saveRetry)
	} else {
		u.accepted = nil
	}
	u.err = err
}
