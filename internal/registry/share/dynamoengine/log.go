package dynamoengine

import (
	"bytes"
	"compress/flate"
	"context"
	binaryform "encoding/binary"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

const (
	// pollEvery is how often a watch looks for changes.
	pollEvery = 500 * time.Millisecond
	// pollTimeout bounds one look.
	pollTimeout = 3 * time.Second
	// keepLogs is how long the items of logs are kept, where DynamoDB's time to live is enabled for the attribute x.
	keepLogs = time.Hour
	// maxGap is how long an item of a log may take to appear after its number was given.
	maxGap = 5 * time.Second
	// maxChanges bounds the bytes of changes in one item, of which DynamoDB allows 400 KB.
	maxChanges = 300 << 10
)

// gap is a number of a log that is missing.
type gap struct {
	number uint64
	since  time.Time
}

// logKey is the partition of a log in an epoch.
func (e *Engine) logKey(name, epoch string) string {
	if name == ofRenewals {
		name = "renewals"
	}
	return e.Prefix + "/" + name + "/" + epoch
}

// putLog puts what a log has up to a version.
func (e *Engine) putLog(ctx context.Context, name string, at share.Version, content []byte) error {
	entry := key(e.logKey(name, at.Epoch), numbered(at.Number))
	entry["c"], entry["x"] = binary(content), expires()
	_, err := e.client.PutItem(ctx, &dynamodb.PutItemInput{TableName: &e.Table, Item: entry})
	return err
}

// readLog calls each with what a log has after a number, up to the first item that has not appeared yet, and returns the
// number up to which that is. The log's numbers go up to end.
func (e *Engine) readLog(ctx context.Context, name, epoch string, after, end uint64, each func(content []byte, last uint64)) (uint64, error) {
	partition := e.logKey(name, epoch)
	err := e.query(ctx, partition, numbered(after), func(has item) error {
		last, ok := numberedOf(has["s"])
		if !ok {
			return nil
		}
		content := binaryOf(has["c"])
		first := last
		if len(content) >= 8 {
			first = min(last, binaryform.BigEndian.Uint64(content))
			content = content[8:]
		}
		if first > after+1 && !e.gapIsOld(partition, after+1) {
			return errGap
		}
		each(content, last)
		after = last
		return nil
	})
	if err == nil && after < end && e.gapIsOld(partition, after+1) {
		after = end
	}
	if errors.Is(err, errGap) {
		err = nil
	}
	return after, err
}

var errGap = errors.New("an item has not appeared yet")

// gapIsOld reports whether a number of a log has been missing for so long that it will not appear.
func (e *Engine) gapIsOld(partition string, number uint64) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	known := e.gaps[partition]
	if known.number != number {
		if len(e.gaps) > 4*share.Shards {
			clear(e.gaps) // of epochs that are gone
		}
		known = gap{number, time.Now()}
		e.gaps[partition] = known
	}
	return time.Since(known.since) > maxGap
}

// logChanges puts the last changes of a shard, up to a version, into its log.
func (e *Engine) logChanges(ctx context.Context, shard int, at share.Version, changes []share.Entry) error {
	name := strconv.Itoa(shard)
	at.Number -= uint64(len(changes))
	for len(changes) > 0 {
		content := numbered(at.Number + 1)
		n := 0
		for n < len(changes) && (n == 0 || len(content)+len(changes[n].Value) < maxChanges) {
			content = appendEntry(content, changes[n])
			n++
		}
		at.Number += uint64(n)
		if err := e.putLog(ctx, name, at, content); err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// appendEntry appends the lengths of key and value, key, rank and value.
func appendEntry(to []byte, entry share.Entry) []byte {
	to = binaryform.BigEndian.AppendUint32(to, uint32(len(entry.Key)))
	to = binaryform.BigEndian.AppendUint32(to, uint32(len(entry.Value)))
	return append(append(append(to, entry.Key...), entry.Rank[:]...), entry.Value...)
}

// entriesOf reads what appendEntry wrote; nothing from what is damaged on.
func entriesOf(content []byte) (entries []share.Entry) {
	for len(content) >= 8 {
		keySize, valueSize := uint64(binaryform.BigEndian.Uint32(content)), uint64(binaryform.BigEndian.Uint32(content[4:]))
		content = content[8:]
		var entry share.Entry
		if keySize+uint64(len(entry.Rank))+valueSize > uint64(len(content)) {
			return entries
		}
		entry.Key = string(content[:keySize])
		content = content[keySize:]
		content = content[copy(entry.Rank[:], content):]
		entry.Value = content[:valueSize:valueSize]
		content = content[valueSize:]
		entries = append(entries, entry)
	}
	return entries
}

// Watch implements share.Engine: it polls.
func (e *Engine) Watch(ctx context.Context, changed func([]share.Change)) error {
	has, err := e.poll(ctx)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	var seen [share.Shards]share.Version
	for shard := range seen {
		seen[shard] = versionIn(has, strconv.Itoa(shard))
	}
	changed(nil)
	for {
		select {
		case <-time.After(pollEvery):
		case <-ctx.Done():
			return nil
		}
		if has, err = e.poll(ctx); err != nil {
			return unlessEnded(ctx, err)
		}
		group, reading := errgroup.WithContext(ctx)
		group.SetLimit(4)
		for shard := range seen {
			if now := versionIn(has, strconv.Itoa(shard)); now != seen[shard] && now.Epoch != "" {
				group.Go(func() (err error) {
					seen[shard], err = e.follow(reading, shard, seen[shard], now, changed)
					return err
				})
			}
		}
		if err := group.Wait(); err != nil {
			return unlessEnded(ctx, err)
		}
	}
}

func (e *Engine) poll(ctx context.Context) (item, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	return e.readVersions(ctx)
}

// follow passes on the changes of a shard after a version, and returns the version up to which there were some.
func (e *Engine) follow(ctx context.Context, shard int, seen, now share.Version, changed func([]share.Change)) (share.Version, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	if now.Epoch != seen.Epoch || now.Number < seen.Number {
		seen = share.Version{Epoch: now.Epoch} // the table was deleted, or taken from a backup
	}
	var err error
	seen.Number, err = e.readLog(ctx, strconv.Itoa(shard), seen.Epoch, seen.Number, now.Number, func(content []byte, last uint64) {
		entries := entriesOf(content)
		changes := make([]share.Change, 0, len(entries))
		for n, entry := range entries {
			version := share.Version{Epoch: seen.Epoch, Number: last - uint64(len(entries)-1-n)}
			changes = append(changes, share.Change{Shard: shard, Version: version, Entry: entry})
		}
		if len(changes) > 0 {
			changed(changes)
		}
	})
	return seen, err
}

// unlessEnded is err, or nil when ctx ended from outside.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return wrap("watch", err)
}

// Renew implements share.Engine.
func (e *Engine) Renew(ctx context.Context, entry []byte) error {
	at, err := e.add(ctx, ofRenewals, 1)
	if err != nil {
		return wrap("renew", err)
	}
	var packed bytes.Buffer
	packed.Write(numbered(at.Number))
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err == nil {
		_, err = w.Write(entry)
	}
	if err == nil {
		err = w.Close()
	}
	if err == nil {
		err = e.putLog(ctx, ofRenewals, at, packed.Bytes())
	}
	return wrap("renew", err)
}

// Renewals implements share.Engine. A position is an epoch and a number.
func (e *Engine) Renewals(ctx context.Context, after string) (entries [][]byte, next string, err error) {
	has, err := e.readVersions(ctx)
	if err != nil {
		return nil, "", wrap("renewals", err)
	}
	now := versionIn(has, ofRenewals)
	epoch, text, _ := strings.Cut(after, " ")
	number, _ := strconv.ParseUint(text, 10, 64)
	switch {
	case after == "":
		number = now.Number
	case epoch != now.Epoch || number > now.Number:
		number = 0
	}
	if number < now.Number {
		number, err = e.readLog(ctx, ofRenewals, now.Epoch, number, now.Number, func(content []byte, last uint64) {
			unpacked, _ := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(content)), share.MaxRenewal+1))
			entries = append(entries, unpacked)
		})
	}
	return entries, now.Epoch + " " + strconv.FormatUint(number, 10), wrap("renewals", err)
}
