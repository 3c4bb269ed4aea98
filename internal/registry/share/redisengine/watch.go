package redisengine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

const (
	// block is how long one read of streams waits, and so how late a watch ends.
	block = time.Second
	// perRead bounds what one read of streams returns of each.
	perRead = 256
	// rewindEvery is how many reads without a result pass until the streams' ends are looked at: those of a
	// store that was wiped, and whose clock was put back, have lower positions, and another program may have made one.
	rewindEvery = 5
	// start is the position before every entry.
	start = "0-0"
	// unreadable is the position in what is no stream. It is not read: servers miss the versions of its changes, and
	// read the shard.
	unreadable = ""
)

// Watch implements share.Engine. One connection waits for all shards, and one for each shard in a Cluster,
// whose nodes wait for their own keys only.
func (e *Engine) Watch(ctx context.Context, changed func([]share.Change)) error {
	var streams [][]int
	if e.cluster {
		for shard := range share.Shards {
			streams = append(streams, []int{shard})
		}
	} else {
		streams = [][]int{{}}
		for shard := range share.Shards {
			streams[0] = append(streams[0], shard)
		}
	}
	ends, err := e.ends(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	changed(nil)
	group, ctx := errgroup.WithContext(ctx)
	for _, shards := range streams {
		group.Go(func() error { return e.follow(ctx, shards, ends, changed) })
	}
	return unlessEnded(ctx, group.Wait())
}

// unlessEnded is err, or nil when ctx ended from outside.
func unlessEnded(ctx context.Context, err error) error {
	if err == nil || errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("watch: %w", err)
}

// ends returns the position of the last change of each shard.
func (e *Engine) ends(ctx context.Context) (ends [share.Shards]string, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var answers [share.Shards]*redis.XMessageSliceCmd
	_, err = e.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range share.Shards {
			answers[shard] = p.XRevRangeN(ctx, e.changes(shard), "+", "-", 1)
		}
		return nil
	})
	if err != nil && !isForeign(err) {
		return ends, err
	}
	for shard, answer := range answers {
		ends[shard] = start
		if last := answer.Val(); len(last) > 0 {
			ends[shard] = last[0].ID
		}
		if isForeign(answer.Err()) {
			ends[shard] = unreadable
			broken := new(share.BrokenError)
			if err := e.mend(ctx, answer.Err(), typed{e.changes(shard), stream}); errors.As(err, &broken) && broken.Mended {
				return ends, err
			}
		}
	}
	return ends, nil
}

// follow reads the streams of some shards, each from its position on.
func (e *Engine) follow(ctx context.Context, shards []int, position [share.Shards]string, changed func([]share.Change)) error {
	for idle := 0; ctx.Err() == nil; {
		read, err := e.read(ctx, shards, position)
		if isForeign(err) {
			idle, read = rewindEvery-1, nil // look at all of them
		} else if err != nil {
			return err
		}
		if idle++; len(read) > 0 {
			idle = 0
		}
		for _, stream := range read {
			for _, shard := range shards {
				if e.changes(shard) == stream.Stream && len(stream.Messages) > 0 {
					position[shard] = stream.Messages[len(stream.Messages)-1].ID
					changed(changesOf(shard, stream.Messages))
				}
			}
		}
		if idle == rewindEvery {
			idle = 0
			if position, err = e.rewound(ctx, position); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

// read waits for entries after position.
func (e *Engine) read(ctx context.Context, shards []int, position [share.Shards]string) ([]redis.XStream, error) {
	ctx, cancel := context.WithTimeout(ctx, block+answerTimeout)
	defer cancel()
	shards = slices.DeleteFunc(slices.Clone(shards), func(shard int) bool { return position[shard] == unreadable })
	if len(shards) == 0 {
		pause(ctx, block)
		return nil, nil
	}
	names := make([]string, 0, 2*len(shards))
	for _, shard := range shards {
		names = append(names, e.changes(shard))
	}
	for _, shard := range shards {
		names = append(names, position[shard])
	}
	read, err := e.client.XRead(ctx, &redis.XReadArgs{Streams: names, Count: perRead, Block: block}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return read, err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// rewound is position, with the start in place of positions that the streams have not reached.
func (e *Engine) rewound(ctx context.Context, position [share.Shards]string) ([share.Shards]string, error) {
	ends, err := e.ends(ctx)
	if err != nil {
		return position, err
	}
	for shard, end := range ends {
		switch {
		case end == unreadable:
			position[shard] = unreadable
		case position[shard] == unreadable || before(end, position[shard]):
			position[shard] = start
		}
	}
	return position, nil
}

// before compares positions, "1700000000000-0".
func before(a, b string) bool {
	order := func(text string) (ms, n uint64) {
		left, right, _ := strings.Cut(text, "-")
		ms, _ = strconv.ParseUint(left, 10, 64)
		n, _ = strconv.ParseUint(right, 10, 64)
		return ms, n
	}
	ms, n := order(a)
	ms2, n2 := order(b)
	return cmp.Or(cmp.Compare(ms, ms2), cmp.Compare(n, n2)) < 0
}

// changesOf reads entries of a stream. What is none is left out: servers miss its version, and read the shard.
func changesOf(shard int, messages []redis.XMessage) []share.Change {
	var changes []share.Change
	for _, m := range messages {
		field := func(name string) string {
			text, _ := m.Values[name].(string)
			return text
		}
		number, err := strconv.ParseUint(field("n"), 10, 64)
		if err != nil || len(field("e")) > 64 {
			continue
		}
		changes = append(changes, share.Change{
			Shard: shard, Version: share.Version{Epoch: field("e"), Number: number}, Entry: entryOf(field("k"), field("v")),
		})
	}
	return changes
}

// Renewals implements share.Engine.
func (e *Engine) Renewals(ctx context.Context, after string) ([][]byte, string, error) {
	last, err := e.client.XRevRangeN(ctx, e.renewals(), "+", "-", 1).Result()
	if err = e.mend(ctx, err, typed{e.renewals(), stream}); err != nil {
		return nil, "", fmt.Errorf("renewals: %w", err)
	}
	end := start
	if len(last) > 0 {
		end = last[0].ID
	}
	switch {
	case after == "" || after == end:
		return nil, end, nil
	case before(end, after):
		after = start // the log that this was a position of is gone
	}
	messages, err := e.client.XRangeN(ctx, e.renewals(), "("+after, "+", perRead).Result()
	if err != nil {
		return nil, "", fmt.Errorf("renewals: %w", err)
	}
	var entries [][]byte
	for _, m := range messages {
		text, _ := m.Values["r"].(string)
		entries = append(entries, []byte(text))
		after = m.ID
	}
	return entries, after, nil
}
