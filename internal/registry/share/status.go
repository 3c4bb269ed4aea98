package share

import (
	"context"
	"errors"
	"time"
)

// Status is how sharing goes.
type Status struct {
	Connected bool      // the last round succeeded
	Since     time.Time // since when that is so
	Err       error     // why the last call failed; nil while connected
	Compared  uint64    // shards that were read whole
	Refused   uint64    // entries that were read and not believed
	LastRound time.Time // when renewals were exchanged and versions compared last; zero: never
	Unwritten int       // records that changed here and wait to be written
}

// Status returns how sharing goes now.
func (s *Sharer) Status() Status {
	s.mu.Lock()
	status := s.status
	s.mu.Unlock()
	status.Unwritten = s.registry.Unannounced() + int(s.writing.Load())
	return status
}

// failed notes that a call failed, and logs the first one.
func (s *Sharer) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	s.mu.Lock()
	first := s.status.Err == nil
	s.status.Err = err
	if s.status.Connected {
		s.status.Connected, s.status.Since = false, time.Now()
	}
	s.mu.Unlock()
	if first {
		s.log.Warn("shared store does not answer: this server goes on with what it knows", "error", err)
	}
}

// succeeded notes that a round is complete, and logs that after an error.
func (s *Sharer) succeeded() {
	s.mu.Lock()
	now := time.Now()
	before := s.status
	s.status.Err, s.status.LastRound = nil, now
	if !before.Connected {
		s.status.Connected, s.status.Since = true, now
	}
	s.mu.Unlock()
	switch {
	case before.LastRound.IsZero():
		s.log.Info("shared store is connected")
	case before.Err != nil:
		s.log.Info("shared store answers again: all servers have merged what they know", "away", now.Sub(before.LastRound).Round(time.Second))
	}
}

// refused notes an entry that is not believed, and logs the first one.
func (s *Sharer) refused(err error) {
	s.mu.Lock()
	s.status.Refused++
	first := s.status.Refused == 1
	s.mu.Unlock()
	if first {
		s.log.Warn("shared store has an entry that this server does not take", "error", err)
	}
}
