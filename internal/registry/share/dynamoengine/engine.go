package dynamoengine

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"golang.org/x/sync/errgroup"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

const (
	dialTimeout = 2 * time.Second
	// attempts is how often the SDK makes a call that is throttled or fails in a way that may pass.
	attempts = 3
	// writers is how many entries of one Write are put at a time.
	writers = 16
	// maxShard bounds what is read of one shard.
	maxShard = 256 << 20
	// throttled is the longest pause after the first put that is throttled. It doubles.
	throttled = 200 * time.Millisecond
)

// Engine implements share.Engine.
type Engine struct {
	// Fixed after construction.
	client *dynamodb.Client
	Address

	mu        sync.Mutex // a leaf
	uncounted [share.Shards]int
	gaps      map[string]gap // by log
	created   time.Time      // when creating the table was tried last
	lasting   bool           // the table that was created has no time to live yet
}

// Open returns an engine for a table. It makes no call to DynamoDB yet. Its errors are those of the SDK's configuration.
func Open(ctx context.Context, a Address) (*Engine, error) {
	// Addresses are retried here, so connections that hang must not be.
	client := awshttp.NewBuildableClient().WithDialerOptions(func(d *net.Dialer) { d.Timeout = dialTimeout }).
		WithTransportOptions(func(t *http.Transport) { t.MaxIdleConnsPerHost = writers + 8 })
	options := []func(*config.LoadOptions) error{config.WithHTTPClient(client), config.WithRetryMaxAttempts(attempts)}
	if a.Region != "" {
		options = append(options, config.WithRegion(a.Region))
	}
	loaded, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return nil, fmt.Errorf("store: AWS configuration: %w", err)
	}
	if loaded.Region == "" {
		return nil, errors.New("store: the AWS configuration has no region: add ?region=NAME to the URL")
	}
	e := &Engine{Address: a, gaps: map[string]gap{}}
	e.client = dynamodb.NewFromConfig(loaded, func(o *dynamodb.Options) {
		if a.Endpoint != "" {
			o.BaseEndpoint = aws.String(a.Endpoint)
		}
		// One table of one region: where it is does not change, and answers are checked by what is in them.
		o.EndpointDiscovery.EnableEndpointDiscovery = aws.EndpointDiscoveryDisabled
	})
	return e, nil
}

// Close does nothing: connections end by themselves.
func (e *Engine) Close() error { return nil }

func (e *Engine) versionsKey() item { return key(e.Prefix+"/versions", []byte{0}) }

// shardKey is the partition of a shard's entries.
func (e *Engine) shardKey(shard int) string { return e.Prefix + "/" + strconv.Itoa(shard) }

// Write implements share.Engine.
func (e *Engine) Write(ctx context.Context, shard int, entries []share.Entry) ([]share.Entry, error) {
	puts := make([]put, len(entries))
	var group errgroup.Group
	group.SetLimit(writers)
	for n, entry := range entries {
		group.Go(func() error {
			puts[n] = e.put(ctx, shard, entry)
			return puts[n].err
		})
	}
	failed := group.Wait()
	var changes, newer []share.Entry
	doubtful := 0
	for n, p := range puts {
		switch {
		case p.err != nil:
			doubtful++ // it may be stored
		case p.written:
			changes = append(changes, entries[n])
		case p.theirs.Rank != entries[n].Rank:
			newer = append(newer, p.theirs)
		}
	}
	if err := e.count(ctx, shard, changes, doubtful); err != nil || failed != nil {
		return nil, wrap("write", cmp.Or(failed, err))
	}
	return newer, nil
}

// put is what became of an entry.
type put struct {
	written bool
	theirs  share.Entry // what the shard has, if it was not written
	err     error       // it may have been written
}

// put stores one entry unless the shard has one of an equal or greater rank.
func (e *Engine) put(ctx context.Context, shard int, entry share.Entry) put {
	call := &dynamodb.PutItemInput{
		TableName: &e.Table, Item: e.item(shard, entry),
		ConditionExpression:                 aws.String("attribute_not_exists(r) OR r < :r"),
		ExpressionAttributeValues:           item{":r": text(rankText(entry))},
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}
	for attempt := range attempts {
		// A retry of the SDK would meet what the first attempt has stored, and not count it.
		_, err := e.client.PutItem(ctx, call, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
		refused := new(types.ConditionalCheckFailedException)
		switch {
		case err == nil:
			return put{written: true}
		case isThrottled(err):
			pause(ctx, mathrand.N(throttled<<attempt))
			continue
		case !errors.As(err, &refused):
			return put{err: err}
		}
		has := item(refused.Item)
		if len(has) == 0 {
			got, err := e.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &e.Table, Key: key(e.shardKey(shard), sortKey(entry.Key)), ConsistentRead: aws.Bool(true)})
			if err != nil {
				return put{err: err}
			}
			has = got.Item
		}
		if theirs, ok := entryOf(has); ok {
			return put{theirs: theirs}
		}
		// What is no entry is replaced, so that nobody can keep an instance from being written.
		call.ConditionExpression, call.ExpressionAttributeValues = aws.String("attribute_not_exists(r)"), nil
		if r, found := has["r"]; found {
			call.ConditionExpression, call.ExpressionAttributeValues = aws.String("r = :r"), item{":r": r}
		}
	}
	return put{err: fmt.Errorf("entry %q: %d attempts were throttled or overtaken", entry.Key, attempts)}
}

// isThrottled reports whether DynamoDB has not done what it was asked, because it is too busy.
func isThrottled(err error) bool {
	return retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}.IsErrorThrottle(err) == aws.TrueTernary
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// Forget implements share.Engine.
func (e *Engine) Forget(ctx context.Context, shard int, entries []share.Entry) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(writers)
	for _, entry := range entries {
		group.Go(func() error {
			_, err := e.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
				TableName: &e.Table, Key: key(e.shardKey(shard), sortKey(entry.Key)),
				ConditionExpression: aws.String("r = :r"), ExpressionAttributeValues: item{":r": text(rankText(entry))},
			})
			if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) {
				return nil
			}
			return err
		})
	}
	return wrap("forget", group.Wait())
}

// Read implements share.Engine.
func (e *Engine) Read(ctx context.Context, shard int) ([]share.Entry, share.Version, error) {
	versions, err := e.Versions(ctx)
	if err != nil {
		return nil, share.Version{}, err
	}
	var entries []share.Entry
	size := 0
	err = e.query(ctx, e.shardKey(shard), nil, func(has item) error {
		if entry, ok := entryOf(has); ok {
			entries = append(entries, entry)
			if size += len(entry.Key) + len(entry.Value); size > maxShard {
				return &share.BrokenError{
					Key: e.shardKey(shard), Problem: fmt.Sprintf("it has more than %d bytes", maxShard), Hint: "find out who else writes to it, and delete its items: the servers fill it again",
				}
			}
		}
		return nil
	})
	return entries, versions[shard], wrap("read", err)
}

// query reads the items of a partition in their order, after a sort key; nil is from the beginning.
func (e *Engine) query(ctx context.Context, partition string, after []byte, each func(item) error) error {
	condition, values := "p = :p", item{":p": text(partition)}
	if after != nil {
		condition += " AND s > :s"
		values[":s"] = binary(after)
	}
	pages := dynamodb.NewQueryPaginator(e.client, &dynamodb.QueryInput{
		TableName: &e.Table, KeyConditionExpression: &condition, ExpressionAttributeValues: values, ConsistentRead: aws.Bool(true),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return err
		}
		for _, has := range page.Items {
			if err := each(has); err != nil {
				return err
			}
		}
	}
	return nil
}

// newEpoch is a random name.
func newEpoch() string { return rand.Text() }

// wrap says what was being done; nil stays nil.
func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
