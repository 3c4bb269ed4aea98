package share

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry"
)

// rounds exchanges renewals and compares versions, until ctx ends.
func (s *Sharer) rounds(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-s.wake:
			pause(ctx, shortestRound)
		case <-ctx.Done():
			return nil
		}
		err := s.doRound(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			s.failed(err)
		}
		if err == nil || isBroken(err) {
			s.succeeded()
		}
		s.registry.SetIsolated(err != nil)
		timer.Reset(roundEvery)
	}
}

// doRound is one round. It is complete, or returns an error. Broken shards are left out. If it returns a [BrokenError],
// all but the exchange of renewals is complete.
func (s *Sharer) doRound(ctx context.Context) error {
	renewals := s.exchangeRenewals(ctx)
	if renewals != nil && !isBroken(renewals) {
		return renewals
	}
	if err := s.compareVersions(ctx); err != nil {
		return err
	}
	s.round++
	if s.round%auditEvery == 0 {
		s.setStale(s.round / auditEvery % Shards)
	}
	if err := s.compareStale(ctx); err != nil {
		return err
	}
	select {
	case <-s.synced:
	default:
		close(s.synced)
	}
	return renewals
}

// compareStale compares the shards of which something is missing, some at once.
func (s *Sharer) compareStale(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for shard := range Shards {
		if s.isStale(shard) {
			group.Go(func() error {
				err := s.compareShard(ctx, shard)
				if isBroken(err) {
					s.failed(err)
					return nil
				}
				return err
			})
		}
	}
	return group.Wait()
}

// exchangeRenewals adds the renewals of this server to the log, and hears those of the others.
func (s *Sharer) exchangeRenewals(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	entries, next, err := s.engine.Renewals(ctx, s.renewals)
	if err != nil {
		return err
	}
	s.renewals = next
	for _, e := range entries {
		if server, renewals := decodeRenewals(e); server != s.name {
			s.registry.Hear(renewals)
		}
	}
	for {
		renewals := s.registry.TakeRenewals(renewalsPerEntry)
		if len(renewals) == 0 {
			return nil
		}
		if err := s.engine.Renew(ctx, encodeRenewals(s.name, renewals)); err != nil {
			return err
		}
	}
}

// compareVersions finds shards of which something is missing: whose version was higher in the round before
// than what was seen by now, or is lower than what was seen before, or of another epoch.
func (s *Sharer) compareVersions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	s.mu.Lock()
	before := s.shards
	s.mu.Unlock()
	now, err := s.engine.Versions(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := range Shards {
		shard := &s.shards[n]
		wentBack := now[n].Epoch == before[n].seen.Epoch && now[n].Number < before[n].seen.Number
		if wentBack || shard.misses(s.last[n]) || now[n].Epoch != shard.seen.Epoch {
			shard.stale = true
		}
	}
	s.last = now
	return nil
}

// compareShard reads a shard whole, merges it, and writes what is later here.
func (s *Sharer) compareShard(ctx context.Context, shard int) error {
	reading, cancel := context.WithTimeout(ctx, 2*callTimeout)
	defer cancel()
	entries, version, err := s.engine.Read(reading, shard)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(entries, MaxEntries) {
		if err := s.merge(ctx, shard, some); err != nil {
			return err
		}
	}
	theirs := make(map[string]registry.Rank, len(entries))
	for _, e := range entries {
		theirs[e.Key] = e.Rank
	}
	var later []registry.Record
	for _, r := range s.registry.Records(shard, Shards) {
		rank, found := theirs[entryKey(r)]
		if !found && r.Ended == registry.Present || found && laterVersion(r.VersionRank(), rank) {
			later = append(later, r)
		}
	}
	for some := range slices.Chunk(later, MaxEntries) {
		if err := s.write(ctx, shard, some); err != nil {
			return err
		}
	}
	s.mu.Lock()
	s.shards[shard].read(version)
	s.status.Compared++
	s.mu.Unlock()
	return s.forget(ctx, shard, entries)
}

// forget removes from the engine how instances ended when this server has seen it there for long.
func (s *Sharer) forget(ctx context.Context, shard int, entries []Entry) error {
	now := time.Now()
	kept := map[string]ended{}
	var old []Entry
	for _, e := range entries {
		if !e.Rank.Ended() {
			continue
		}
		known, found := s.ended[shard][e.Key]
		if !found || known.rank != e.Rank {
			known = ended{e.Rank, now}
		}
		if now.Sub(known.since) >= forgetAfter {
			old = append(old, e)
		} else {
			kept[e.Key] = known
		}
	}
	s.ended[shard] = kept
	for some := range slices.Chunk(old, MaxEntries) {
		if err := s.engine.Forget(ctx, shard, some); err != nil {
			return err
		}
	}
	return nil
}

func (s *Sharer) isStale(shard int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shards[shard].stale
}

func (s *Sharer) setStale(shard int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[shard].stale = true
}

var errShard = errors.New("it belongs to another shard")

func errWrongShard(key string, shard int) error {
	return fmt.Errorf("entry %q of shard %d: %w", key, shard, errShard)
}
