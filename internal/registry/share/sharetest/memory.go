// Package sharetest has what tests of sharing need: an engine in memory that fails when it is told to, and a
// suite that every engine passes.
package sharetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// ErrAway is the error of an engine that is away.
var ErrAway = errors.New("the engine is away")

// logSize is how many entries the log of renewals keeps.
const logSize = 100

// Memory is an engine in this process's memory.
type Memory struct {
	mu       sync.Mutex
	shards   [share.Shards]shard
	renewals [][]byte // the last logSize
	added    int      // to the log, in all
	epochs   int
	watchers map[chan []share.Change]struct{}
	away     bool
	hangs    bool
	silent   bool
	changed  chan struct{} // closes when away or hangs change
	calls    map[string]int
}

type shard struct {
	share.Version
	entries map[string]share.Entry
}

// NewMemory returns an empty engine.
func NewMemory() *Memory {
	m := &Memory{watchers: map[chan []share.Change]struct{}{}, changed: make(chan struct{}), calls: map[string]int{}}
	m.clear()
	return m
}

func (m *Memory) clear() {
	for n := range m.shards {
		m.shards[n] = shard{entries: map[string]share.Entry{}}
	}
	m.renewals, m.added = nil, 0
}

// Wipe forgets everything.
func (m *Memory) Wipe() { m.set(m.clear) }

// SetAway makes every call fail, or not any more.
func (m *Memory) SetAway(away bool) { m.set(func() { m.away = away }) }

// SetHangs makes every call wait until its context ends, or not any more.
func (m *Memory) SetHangs(hangs bool) { m.set(func() { m.hangs = hangs }) }

// SetSilent loses all that would be pushed, or not any more.
func (m *Memory) SetSilent(silent bool) { m.set(func() { m.silent = silent }) }

// Calls returns how often a method was called.
func (m *Memory) Calls(method string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.calls[method]
}

// Lose takes an entry out without counting that as a change, as a failover may.
func (m *Memory) Lose(shard int, key string) {
	m.set(func() { delete(m.shards[shard].entries, key) })
}

func (m *Memory) set(change func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change()
	close(m.changed)
	m.changed = make(chan struct{})
}

// enter begins a call, and takes mu unless it returns an error.
func (m *Memory) enter(ctx context.Context, method string) error {
	m.mu.Lock()
	m.calls[method]++
	for m.hangs {
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		m.mu.Lock()
	}
	if m.away {
		m.mu.Unlock()
		return ErrAway
	}
	return nil
}

// Write implements share.Engine.
func (m *Memory) Write(ctx context.Context, shard int, entries []share.Entry) (newer []share.Entry, err error) {
	if err := m.enter(ctx, "Write"); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	if len(entries) > share.MaxEntries {
		return nil, fmt.Errorf("%d entries are too many", len(entries))
	}
	s := &m.shards[shard]
	var changes []share.Change
	for _, e := range entries {
		if s.Epoch == "" {
			m.epochs++
			s.Epoch = strconv.Itoa(m.epochs)
		}
		old, found := s.entries[e.Key]
		switch order := bytes.Compare(e.Rank[:], old.Rank[:]); {
		case !found || order > 0:
			s.entries[e.Key] = e
			s.Number++
			changes = append(changes, share.Change{Shard: shard, Version: s.Version, Entry: e})
		case order < 0:
			newer = append(newer, old)
		}
	}
	if len(changes) > 0 && !m.silent {
		for w := range m.watchers {
			select {
			case w <- changes:
			default: // a slow watcher loses changes, as it does with a bounded stream
			}
		}
	}
	return newer, nil
}

// Forget implements share.Engine.
func (m *Memory) Forget(ctx context.Context, shard int, entries []share.Entry) error {
	if err := m.enter(ctx, "Forget"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	for _, e := range entries {
		if m.shards[shard].entries[e.Key].Rank == e.Rank {
			delete(m.shards[shard].entries, e.Key)
		}
	}
	return nil
}

// Read implements share.Engine.
func (m *Memory) Read(ctx context.Context, shard int) ([]share.Entry, share.Version, error) {
	if err := m.enter(ctx, "Read"); err != nil {
		return nil, share.Version{}, err
	}
	defer m.mu.Unlock()
	s := m.shards[shard]
	return slices.Collect(maps.Values(s.entries)), s.Version, nil
}

// Versions implements share.Engine.
func (m *Memory) Versions(ctx context.Context) (versions [share.Shards]share.Version, err error) {
	if err := m.enter(ctx, "Versions"); err != nil {
		return versions, err
	}
	defer m.mu.Unlock()
	for n, s := range m.shards {
		versions[n] = s.Version
	}
	return versions, nil
}

// Watch implements share.Engine.
func (m *Memory) Watch(ctx context.Context, changed func([]share.Change)) error {
	if err := m.enter(ctx, "Watch"); err != nil {
		return err
	}
	pushed := make(chan []share.Change, 64)
	m.watchers[pushed] = struct{}{}
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		delete(m.watchers, pushed)
	}()
	changed(nil)
	for {
		m.mu.Lock()
		away, faults := m.away, m.changed
		m.mu.Unlock()
		if away {
			return ErrAway
		}
		select {
		case changes := <-pushed:
			changed(changes)
		case <-faults:
		case <-ctx.Done():
			return nil
		}
	}
}

// Renew implements share.Engine.
func (m *Memory) Renew(ctx context.Context, entry []byte) error {
	if err := m.enter(ctx, "Renew"); err != nil {
		return err
	}
	defer m.mu.Unlock()
	m.renewals = append(m.renewals, entry)
	m.added++
	m.renewals = m.renewals[max(0, len(m.renewals)-logSize):]
	return nil
}

// Renewals implements share.Engine.
func (m *Memory) Renewals(ctx context.Context, after string) ([][]byte, string, error) {
	if err := m.enter(ctx, "Renewals"); err != nil {
		return nil, "", err
	}
	defer m.mu.Unlock()
	next := strconv.Itoa(m.added)
	if after == "" {
		return nil, next, nil
	}
	position, err := strconv.Atoi(after)
	if err != nil {
		return nil, "", err
	}
	if position > m.added {
		position = 0
	}
	n := min(len(m.renewals), m.added-position)
	return slices.Clone(m.renewals[len(m.renewals)-n:]), next, nil
}
