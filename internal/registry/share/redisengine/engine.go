package redisengine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/share"
)

const (
	// dialTimeout bounds making one connection.
	dialTimeout = 2 * time.Second
	// answerTimeout bounds one answer where the caller's context does not.
	answerTimeout = 3 * time.Second
	// streamLength is about how many changes and renewals a stream keeps.
	streamLength = 1000
	// maxShard bounds what is read of one shard.
	maxShard = 256 << 20
	// hexRank is the length of a rank in front of a value.
	hexRank = 2 * len(registry.Rank{})
)

// Engine implements share.Engine.
type Engine struct {
	client  redis.UniversalClient
	prefix  string
	cluster bool
}

// Passwords are the secrets with which to connect; "" is none.
type Passwords struct {
	Store    Password // of the user of the store
	Sentinel Password // of the user of the Sentinels
}

// Open returns an engine at an address. It makes no connection yet. Its errors are those of the files for TLS.
func Open(a Address, passwords Passwords) (*Engine, error) {
	redis.SetLogger(silent{}) // what matters is in the errors
	secure, err := a.TLS.config()
	if err != nil {
		return nil, fmt.Errorf("store: TLS: %w", err)
	}
	options := &redis.UniversalOptions{
		Addrs: a.Hosts, MasterName: a.Master, DB: a.Database, Username: a.User, Password: string(passwords.Store), TLSConfig: secure, Dialer: dial(secure),
		SentinelUsername: a.SentinelUser, SentinelPassword: string(passwords.Sentinel),
		DialTimeout: dialTimeout, ReadTimeout: answerTimeout, WriteTimeout: answerTimeout, ContextTimeoutEnabled: true,
		DialerRetries: 1, MaxRetries: 1, PoolSize: share.Shards + 8, PipelinePoolSize: -1,
		ClientName: "doyen", DisableIdentity: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	e := &Engine{prefix: a.Prefix, cluster: a.Cluster}
	switch {
	case a.Cluster:
		e.client = redis.NewClusterClient(options.Cluster())
	case a.Master != "":
		e.client = redis.NewFailoverClient(options.Failover())
	default:
		e.client = redis.NewClient(options.Simple())
	}
	return e, nil
}

// silent is a logger for the library.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Close ends all connections.
func (e *Engine) Close() error { return e.client.Close() }

func (e *Engine) key(shard int, what string) string {
	return fmt.Sprintf("%s:{%d}:%s", e.prefix, shard, what)
}

func (e *Engine) instances(shard int) string { return e.key(shard, "instances") }
func (e *Engine) version(shard int) string   { return e.key(shard, "version") }
func (e *Engine) changes(shard int) string   { return e.key(shard, "changes") }
func (e *Engine) renewals() string           { return e.prefix + ":renewals" }

// stored is an entry's value as it is kept: its rank stands before it.
func stored(entry share.Entry) string { return hex.EncodeToString(entry.Rank[:]) + string(entry.Value) }

// entryOf reads what stored returns. What is none has the zero rank, which no record has.
func entryOf(key, text string) share.Entry {
	entry := share.Entry{Key: key}
	if len(text) < hexRank {
		return entry
	}
	if _, err := hex.Decode(entry.Rank[:], []byte(text[:hexRank])); err != nil {
		return share.Entry{Key: key}
	}
	entry.Value = []byte(text[hexRank:])
	return entry
}

// Write implements share.Engine.
func (e *Engine) Write(ctx context.Context, shard int, entries []share.Entry) ([]share.Entry, error) {
	arguments := make([]any, 0, 3+2*len(entries))
	arguments = append(arguments, rand.Text(), streamLength, hexRank)
	for _, entry := range entries {
		arguments = append(arguments, entry.Key, stored(entry))
	}
	keys := []string{e.instances(shard), e.version(shard), e.changes(shard)}
	answer, err := write.Run(ctx, e.client, keys, arguments...).StringSlice()
	if err = e.mend(ctx, err, e.keysOf(shard)...); err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("write: %w", err)
	}
	var newer []share.Entry
	for n := 0; n+1 < len(answer); n += 2 {
		newer = append(newer, entryOf(answer[n], answer[n+1]))
	}
	return newer, nil
}

// Forget implements share.Engine.
func (e *Engine) Forget(ctx context.Context, shard int, entries []share.Entry) error {
	var arguments []any
	for _, entry := range entries {
		arguments = append(arguments, entry.Key, hex.EncodeToString(entry.Rank[:]))
	}
	err := forget.Run(ctx, e.client, []string{e.instances(shard)}, arguments...).Err()
	if err = e.mend(ctx, err, e.keysOf(shard)...); err != nil && !errors.Is(err, redis.Nil) {
		return fmt.Errorf("forget: %w", err)
	}
	return nil
}

// Read implements share.Engine.
func (e *Engine) Read(ctx context.Context, shard int) ([]share.Entry, share.Version, error) {
	version, err := versionOf(e.client.HMGet(ctx, e.version(shard), "epoch", "number"))
	if err = e.mend(ctx, err, e.keysOf(shard)...); err != nil {
		return nil, version, fmt.Errorf("read: %w", err)
	}
	found := map[string]struct{}{} // a scan may return a field twice
	var entries []share.Entry
	for cursor, size := uint64(0), 0; ; {
		var fields []string
		fields, cursor, err = e.client.HScan(ctx, e.instances(shard), cursor, "", 500).Result()
		if err = e.mend(ctx, err, e.keysOf(shard)...); err != nil {
			return nil, version, fmt.Errorf("read: %w", err)
		}
		for n := 0; n+1 < len(fields); n += 2 {
			if _, twice := found[fields[n]]; twice {
				continue
			}
			if size += len(fields[n]) + len(fields[n+1]); size > maxShard {
				return nil, version, &share.BrokenError{
					Key: e.instances(shard), Problem: fmt.Sprintf("it has more than %d bytes", maxShard), Hint: "find out who else writes to it, and delete it: the servers fill it again",
				}
			}
			found[fields[n]] = struct{}{}
			entries = append(entries, entryOf(fields[n], fields[n+1]))
		}
		if cursor == 0 {
			return entries, version, nil
		}
	}
}

// Versions implements share.Engine.
func (e *Engine) Versions(ctx context.Context) (versions [share.Shards]share.Version, err error) {
	var answers [share.Shards]*redis.SliceCmd
	_, err = e.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		for shard := range share.Shards {
			answers[shard] = p.HMGet(ctx, e.version(shard), "epoch", "number")
		}
		return nil
	})
	if err != nil && !isForeign(err) {
		return versions, fmt.Errorf("versions: %w", err)
	}
	for shard, answer := range answers {
		if versions[shard], err = versionOf(answer); err != nil && !isForeign(err) {
			return versions, fmt.Errorf("versions: %w", err)
		}
	}
	return versions, nil
}

func versionOf(answer *redis.SliceCmd) (share.Version, error) {
	fields, err := answer.Result()
	if err != nil || len(fields) != 2 {
		return share.Version{}, err
	}
	epoch, _ := fields[0].(string)
	text, _ := fields[1].(string)
	number, _ := strconv.ParseUint(text, 10, 64)
	if len(epoch) > 64 {
		epoch = epoch[:64]
	}
	return share.Version{Epoch: epoch, Number: number}, nil
}

// Renew implements share.Engine.
func (e *Engine) Renew(ctx context.Context, entry []byte) error {
	err := e.client.XAdd(ctx, &redis.XAddArgs{Stream: e.renewals(), MaxLen: streamLength, Approx: true, Values: []any{"r", entry}}).Err()
	if err = e.mend(ctx, err, typed{e.renewals(), stream}); err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	return nil
}
