package source

import "time"

// How often accepted documents are written to disk: a burst of edits is written once. What a crash in between
// loses is warmth; the folder itself has the documents.
const (
	saveDelay = 200 * time.Millisecond
	saveRetry = 5 * time.Second
	saveShare = 20 // after saving, the time that it took, times this, passes before the next one
)

// unsaved is what was accepted and is not on disk.
type unsaved struct {
	accepted *accepted // nil when all is on disk
	err      error     // of the last attempt to write
	at       time.Time // when accepted is to be written
	earliest time.Time // before which nothing is written
}

func (u *unsaved) put(a *accepted) {
	if u.accepted == nil {
		u.at = time.Now().Add(saveDelay)
	}
	u.accepted = a
}

// due is when to save, zero when there is nothing to.
func (u *unsaved) due() time.Time {
	if u.accepted == nil {
		return time.Time{}
	}
	if u.at.Before(u.earliest) {
		return u.earliest
	}
	return u.at
}

// save writes what is accepted and not on disk. That it cannot be written does not keep it from being in force: it
// is reported, and tried again.
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
			f.Log.Error("accepted documents are not kept on disk", "error", err)
		}
		u.at = time.Now().Add(saveRetry)
	} else {
		u.accepted = nil
	}
	u.err = err
}
