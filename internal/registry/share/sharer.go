package share

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// Times of a Sharer.
const (
	// roundEvery is how often renewals are exchanged and versions compared. What was lost is missed by the
	// second comparison at the latest, and so is there again within three rounds.
	roundEvery = 2 * time.Second
	// callTimeout bounds one call of the engine, so that an engine that hangs is noticed.
	callTimeout = 3 * time.Second
	// shortestRound keeps rounds that begin early from following each other without a pause.
	shortestRound = 100 * time.Millisecond
	// retryAfter is the pause after an error.
	retryAfter = time.Second
	// auditEvery is how many rounds pass from one audit to the next: each reads one shard whole, in turn.
	auditEvery = 5
	// forgetAfter is how long the engine keeps how an instance ended, by the clock of each server. It is longer
	// than the registries remember it, so that it is there whenever one of them needs it.
	forgetAfter = 2 * time.Hour
	// farewell bounds what a server that stops still writes.
	farewell = 2 * time.Second
)

// renewalsPerEntry bounds one entry in the log of renewals to MaxRenewal bytes.
const renewalsPerEntry = MaxRenewal / (MaxKey + 32)

// Sharer connects a registry with an engine.
type Sharer struct {
	// Fixed after construction.
	registry *registry.Registry
	engine   Engine
	log      *slog.Logger
	name     string        // of this server, in the log of renewals
	wake     chan struct{} // one slot: begin a round now
	synced   chan struct{} // closes once everything in the engine was merged

	writing atomic.Int64 // records that are being written

	// Owned by the goroutine of rounds.
	renewals string          // position in the log of renewals
	last     [Shards]Version // what the engine had in the round before
	round    int
	ended    [Shards]map[string]ended

	mu     sync.Mutex // a leaf
	shards [Shards]progress
	status Status
	faults map[string]Fault // by key
}

// ended is when this server first saw that the engine keeps how an instance ended.
type ended struct {
	rank  registry.Rank
	since time.Time
}

// New returns a Sharer. The registry must have been made to share. It starts nothing: Run does.
func New(r *registry.Registry, engine Engine, log *slog.Logger) *Sharer {
	s := &Sharer{
		registry: r, engine: engine, log: log,
		name: strconv.FormatUint(rand.Uint64(), 36),
		wake: make(chan struct{}, 1), synced: make(chan struct{}),
		status: Status{Since: time.Now()}, faults: map[string]Fault{},
	}
	for shard := range s.shards {
		s.shards[shard].stale = true
		s.ended[shard] = map[string]ended{}
	}
	return s
}

// Synced returns a channel that closes once the registry has what the engine had.
func (s *Sharer) Synced() <-chan struct{} { return s.synced }

// Run shares until ctx ends, and then writes what is not written yet if that is quickly done. It returns nil.
func (s *Sharer) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { return s.watch(ctx) })
	group.Go(func() error { return s.rounds(ctx) })
	group.Go(func() error { return s.writes(ctx) })
	_ = group.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	for s.registry.Unannounced() > 0 && s.writeChanges(last) == nil {
	}
	return nil
}

// writes writes what changes here, until ctx ends.
func (s *Sharer) writes(ctx context.Context) error {
	for ctx.Err() == nil {
		select {
		case <-s.registry.Changed():
		case <-ctx.Done():
			return nil
		}
		if err := s.writeChanges(ctx); err != nil {
			s.failed(err)
			pause(ctx, retryAfter)
		}
	}
	return nil
}

// announce makes records changes again.
func (s *Sharer) announce(records []registry.Record) {
	keys := make([]registry.Key, 0, len(records))
	for _, r := range records {
		keys = append(keys, r.Instance.Key)
	}
	s.registry.Announce(keys...)
}

// writeChanges writes some of what changed. What it cannot write is a change again.
func (s *Sharer) writeChanges(ctx context.Context) error {
	var byShard [Shards][]registry.Record
	changes := s.registry.TakeChanges(Shards * MaxEntries)
	s.writing.Store(int64(len(changes)))
	defer s.writing.Store(0)
	for _, r := range changes {
		shard := shardOf(r.Instance.Key)
		byShard[shard] = append(byShard[shard], r)
	}
	var failed error
	for shard, records := range byShard {
		for some := range slices.Chunk(records, MaxEntries) {
			err := failed
			if err == nil || isBroken(err) { // in which case other shards can be written
				err = s.write(ctx, shard, some)
			}
			if err != nil {
				s.announce(some)
				failed = err
			}
		}
	}
	return failed
}

// write writes records, and merges what the engine has that is newer.
func (s *Sharer) write(ctx context.Context, shard int, records []registry.Record) error {
	var entries []Entry
	written := make(map[string]registry.Rank, len(records))
	for _, r := range records {
		entry, err := encode(r)
		if err != nil {
			s.refused(keyOf(r.Instance.Key), err)
			continue
		}
		entries = append(entries, entry)
		written[entry.Key] = entry.Rank
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	newer, err := s.engine.Write(ctx, shard, entries)
	if err != nil {
		return err
	}
	// An entry may have a greater rank than its description: the hash in it may be that of a later release, or
	// wrong. The registry would offer what was written once more, and the engine would refuse it once more.
	newer = slices.DeleteFunc(newer, func(e Entry) bool {
		r, err := decode(e)
		return err == nil && lowerRank(r.Rank(), written[e.Key])
	})
	return s.merge(ctx, shard, newer)
}

// merge gives the registry what decodes of entries. It replaces those that no server wrote.
func (s *Sharer) merge(ctx context.Context, shard int, entries []Entry) error {
	records := make([]registry.Record, 0, len(entries))
	var wrong []Entry
	for _, e := range entries {
		r, err := s.believe(shard, e)
		if err == nil {
			records = append(records, r)
			continue
		}
		s.refused(e.Key, err)
		if errors.Is(err, errGarbage) {
			wrong = append(wrong, e)
		}
	}
	if len(records) > 0 {
		if err := s.registry.Merge(ctx, records); err != nil {
			return err
		}
	}
	return s.replace(ctx, shard, wrong)
}

// believe decodes an entry of a shard that the registry can take.
func (s *Sharer) believe(shard int, e Entry) (registry.Record, error) {
	r, err := decode(e)
	switch {
	case err != nil:
		return r, err
	case shardOf(r.Instance.Key) != shard:
		return r, errWrongShard(e.Key, shard)
	case !s.registry.IsPlausible(r.Instance.Incarnation):
		return r, garbage("entry %q: incarnation %v is far above every one that a server has issued", e.Key, r.Instance.Incarnation)
	}
	return r, nil
}

// replace removes entries that no server wrote where they stand in place of what this registry knows, whatever their
// rank, and makes the registry's records changes.
func (s *Sharer) replace(ctx context.Context, shard int, wrong []Entry) error {
	var known []Entry
	var keys []registry.Key
	for _, e := range wrong {
		key, err := parseKey(strings.TrimPrefix(e.Key, orderPrefix))
		if err == nil && shardOf(key) == shard && s.registry.Knows(key) {
			known, keys = append(known, e), append(keys, key)
		}
	}
	if len(known) == 0 {
		return nil
	}
	if err := s.engine.Forget(ctx, shard, known); err != nil {
		return err
	}
	s.registry.Announce(keys...)
	return nil
}

// watch merges what is pushed, until ctx ends.
func (s *Sharer) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := s.engine.Watch(ctx, func(changes []Change) { s.pushed(ctx, changes) }); err != nil && ctx.Err() == nil {
			s.failed(err)
		}
		pause(ctx, retryAfter)
	}
	return nil
}

// pushed merges changes, and notes which versions were seen.
func (s *Sharer) pushed(ctx context.Context, changes []Change) {
	if len(changes) == 0 { // the watch begins: compare, for something may have happened before
		s.begin()
		return
	}
	for len(changes) > 0 {
		n := 0
		var entries []Entry
		for n < len(changes) && changes[n].Shard == changes[0].Shard {
			entries = append(entries, changes[n].Entry)
			n++
		}
		if shard := changes[0].Shard; shard >= 0 && shard < Shards && s.merge(ctx, shard, entries) == nil {
			s.noteSeen(changes[:n])
		}
		changes = changes[n:]
	}
}

// noteSeen notes changes of one shard that were merged.
func (s *Sharer) noteSeen(changes []Change) {
	shard := &s.shards[changes[0].Shard]
	s.mu.Lock()
	for _, c := range changes {
		shard.pushed(c.Version)
	}
	stale := shard.stale
	s.mu.Unlock()
	if stale {
		s.begin()
	}
}

// begin makes the next round begin now.
func (s *Sharer) begin() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
