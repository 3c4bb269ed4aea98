package share

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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
	Faults    []Fault   // what could not be used lately, by key, at most maxFaults
}

// Fault is a key of the engine, or an entry, that cannot be used as it is.
type Fault struct {
	Key     string // of the engine, or of the entry
	Problem string
	Hint    string
	Since   time.Time
	until   time.Time // when it counts as mended unless it is met again
}

const (
	maxFaults = 20
	// brokenFor and refusedFor are how long a fault is shown after it was met last. Broken keys are met in each round,
	// and entries in each audit of their shard.
	brokenFor  = 10 * roundEvery
	refusedFor = (Shards + 2) * auditEvery * roundEvery
)

func isBroken(err error) bool {
	broken := new(BrokenError)
	return errors.As(err, &broken)
}

// fault notes a fault, and logs a new one.
func (s *Sharer) fault(f Fault, lasts time.Duration) {
	now := time.Now()
	s.mu.Lock()
	for key, known := range s.faults {
		if now.After(known.until) {
			delete(s.faults, key)
		}
	}
	known, found := s.faults[f.Key]
	f.Since, f.until = now, now.Add(lasts)
	if found {
		f.Since = known.Since
	}
	isNoted := found || len(s.faults) < maxFaults
	if isNoted {
		s.faults[f.Key] = f
	}
	s.mu.Unlock()
	if isNoted && !found {
		s.log.Warn("shared store has something that this server cannot use; the rest of it is in use", "key", f.Key, "problem", f.Problem, "hint", f.Hint)
	}
}

// Status returns how sharing goes now.
func (s *Sharer) Status() Status {
	s.mu.Lock()
	status := s.status
	now := time.Now()
	for _, key := range slices.Sorted(maps.Keys(s.faults)) {
		if f := s.faults[key]; !now.After(f.until) {
			status.Faults = append(status.Faults, f)
		}
	}
	s.mu.Unlock()
	status.Unwritten = s.registry.Unannounced() + int(s.writing.Load())
	return status
}

// failed notes that a call failed, and logs the first one.
func (s *Sharer) failed(err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if broken := new(BrokenError); errors.As(err, &broken) {
		s.fault(Fault{Key: broken.Key, Problem: broken.Problem, Hint: broken.Hint}, brokenFor)
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

// refused notes an entry that is not believed.
func (s *Sharer) refused(key string, err error) {
	s.mu.Lock()
	s.status.Refused++
	s.mu.Unlock()
	hint := "a later release wrote it: upgrade this server"
	if errors.Is(err, errGarbage) || errors.Is(err, errShard) {
		hint = "find out who else writes to the store; where a server knows the instance, it replaces the entry"
	}
	s.fault(Fault{Key: fmt.Sprintf("%.*q", MaxKey, key), Problem: err.Error(), Hint: hint}, refusedFor)
}
