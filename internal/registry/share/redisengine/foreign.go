package redisengine

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// typed is a key and the type that it must have.
type typed struct {
	name string
	kind kind
}

// kind is a type of keys.
type kind struct{ name, length string } // length is the command that returns how long a key of it is

var (
	hash   = kind{"hash", "HLEN"}
	stream = kind{"stream", "XLEN"}
)

// keysOf are the keys of a shard.
func (e *Engine) keysOf(shard int) []typed {
	return []typed{{e.instances(shard), hash}, {e.version(shard), hash}, {e.changes(shard), stream}}
}

// isForeign reports whether a command failed because another program has made a key.
func isForeign(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "WRONGTYPE") || strings.Contains(err.Error(), "exhausted the last possible ID"))
}

// mend returns err, or sets the key among keys aside that another program has made, and returns that as a
// [share.BrokenError]. Nothing is deleted: whose key that is may need it.
func (e *Engine) mend(ctx context.Context, err error, keys ...typed) error {
	if !isForeign(err) {
		return err
	}
	for _, key := range keys {
		aside := aside(key.name)
		renamed, failed := setAside.Run(ctx, e.client, []string{key.name, aside}, key.kind.length).Bool()
		switch _, refused := failed.(redis.Error); {
		case refused:
			return &share.BrokenError{
				Key: key.name, Problem: fmt.Sprintf("another program made it: it is not a usable %s, and cannot be renamed: %v", key.kind.name, failed),
				Hint: "rename or delete it; or let the user of doyen do so: +renamenx",
			}
		case failed != nil:
			return failed
		case renamed:
			return &share.BrokenError{
				Key: key.name, Problem: fmt.Sprintf("another program made it: it was not a usable %s, and is %s now", key.kind.name, aside),
				Hint: "find out who else writes to doyen's keys, and delete " + aside + " if nobody needs it", Mended: true,
			}
		}
	}
	return err
}

// aside is a new name for a key, in the same slot of a Cluster: that of what is in braces.
func aside(key string) string {
	random := strings.ToLower(rand.Text()[:8])
	if strings.Contains(key, "{") {
		return key + ":foreign:" + random
	}
	prefix, _, _ := strings.Cut(key, ":")
	return prefix + ":foreign:" + random + ":{" + key + "}"
}
