package xdsmetrics

import (
	"slices"
	"sync"
	"time"
)

// pending are the responses that were not answered yet: at most one for each stream and type.
type pending struct{ streams sync.Map } // ID -> *unanswered

// unanswered are those of one stream.
type unanswered struct {
	mu    sync.Mutex
	types []sending
}

type sending struct {
	typeURL, nonce string
	at             time.Time
}

func (p *pending) open(stream uint64) { p.streams.Store(stream, &unanswered{}) }

// sent notes a response, unless its stream has ended.
func (p *pending) sent(stream uint64, typeURL, nonce string, at time.Time) {
	known, ok := p.streams.Load(stream)
	if !ok {
		return
	}
	u := known.(*unanswered)
	u.mu.Lock()
	defer u.mu.Unlock()
	now := sending{typeURL, nonce, at}
	if i := u.index(typeURL); i >= 0 {
		u.types[i] = now
		return
	}
	u.types = append(u.types, now)
}

// answered returns when the response was sent, and forgets it; false when it is not known
// or was answered before.
func (p *pending) answered(stream uint64, typeURL, nonce string) (sent time.Time, ok bool) {
	known, ok := p.streams.Load(stream)
	if !ok {
		return time.Time{}, false
	}
	u := known.(*unanswered)
	u.mu.Lock()
	defer u.mu.Unlock()
	i := u.index(typeURL)
	if i < 0 || u.types[i].nonce != nonce {
		return time.Time{}, false
	}
	u.types[i].nonce = "" // nonces are never empty
	return u.types[i].at, true
}

func (u *unanswered) index(typeURL string) int {
	return slices.IndexFunc(u.types, func(s sending) bool { return s.typeURL == typeURL })
}

func (p *pending) forget(stream uint64) { p.streams.Delete(stream) }
