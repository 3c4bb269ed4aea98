package dynamoengine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// createEvery is how often creating the table is tried.
const createEvery = 10 * time.Second

// ofRenewals is the name of the log of renewals among the shards.
const ofRenewals = "r"

// Versions implements share.Engine. It creates the table if it is missing.
func (e *Engine) Versions(ctx context.Context) (versions [share.Shards]share.Version, err error) {
	has, err := e.readVersions(ctx)
	if err != nil {
		return versions, wrap("versions", err)
	}
	for shard := range share.Shards {
		versions[shard] = versionIn(has, strconv.Itoa(shard))
		if err := e.count(ctx, shard, nil, 0); err != nil {
			return versions, wrap("versions", err)
		}
	}
	return versions, nil
}

func (e *Engine) readVersions(ctx context.Context) (item, error) {
	got, err := e.client.GetItem(ctx, &dynamodb.GetItemInput{TableName: &e.Table, Key: e.versionsKey(), ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, e.createIfMissing(ctx, err)
	}
	return got.Item, e.limitLife(ctx)
}

func versionIn(has item, name string) share.Version {
	v := share.Version{Epoch: textOf(has["e"+name]), Number: numberOf(has["n"+name])}
	if v.Epoch == "" || len(v.Epoch) > 64 {
		return share.Version{}
	}
	return v
}

// count adds changes that were or may be stored, and those that could not be counted before, to the number of a shard. It
// then puts the changes in the shard's log.
func (e *Engine) count(ctx context.Context, shard int, changes []share.Entry, doubtful int) error {
	e.mu.Lock()
	e.uncounted[shard] += len(changes) + doubtful
	n := e.uncounted[shard]
	e.uncounted[shard] = 0
	e.mu.Unlock()
	if n == 0 {
		return nil
	}
	now, err := e.add(ctx, strconv.Itoa(shard), n)
	if err != nil {
		e.mu.Lock()
		e.uncounted[shard] += n
		e.mu.Unlock()
		return err
	}
	if n != len(changes) {
		return nil // the log has a gap where the others are, so that servers read the shard
	}
	return e.logChanges(ctx, shard, now, changes)
}

// add adds to the number of a shard or a log, and returns its version. A version that is none begins a new epoch.
func (e *Engine) add(ctx context.Context, name string, n int) (share.Version, error) {
	update := &dynamodb.UpdateItemInput{
		TableName: &e.Table, Key: e.versionsKey(), ReturnValues: types.ReturnValueUpdatedNew,
		UpdateExpression:          aws.String(fmt.Sprintf("SET e%[1]s = if_not_exists(e%[1]s, :e) ADD n%[1]s :n", name)),
		ConditionExpression:       aws.String(fmt.Sprintf("attribute_type(e%[1]s, :s) AND attribute_exists(n%[1]s) OR attribute_not_exists(e%[1]s) AND attribute_not_exists(n%[1]s)", name)),
		ExpressionAttributeValues: item{":e": text(newEpoch()), ":n": number(uint64(n)), ":s": text("S")},
	}
	got, err := e.client.UpdateItem(ctx, update)
	if refused := new(types.ConditionalCheckFailedException); errors.As(err, &refused) || isInvalid(err) {
		update.UpdateExpression, update.ConditionExpression = aws.String(fmt.Sprintf("SET e%[1]s = :e, n%[1]s = :n", name)), nil
		delete(update.ExpressionAttributeValues, ":s")
		got, err = e.client.UpdateItem(ctx, update)
	}
	if err != nil {
		return share.Version{}, err
	}
	return versionIn(got.Attributes, name), nil
}

// isInvalid reports whether DynamoDB refused what a call says, here because an attribute is of another type.
func isInvalid(err error) bool {
	refused := smithy.APIError(nil)
	return errors.As(err, &refused) && refused.ErrorCode() == "ValidationException"
}

// createIfMissing returns err, and creates the table if that is why.
func (e *Engine) createIfMissing(ctx context.Context, err error) error {
	if missing := new(types.ResourceNotFoundException); !errors.As(err, &missing) || !e.Create {
		return err
	}
	e.mu.Lock()
	due := time.Since(e.created) >= createEvery
	if due {
		e.created = time.Now()
	}
	e.mu.Unlock()
	if !due {
		return err
	}
	_, failed := e.client.CreateTable(ctx, &dynamodb.CreateTableInput{
		TableName: &e.Table, BillingMode: types.BillingModePayPerRequest,
		AttributeDefinitions: []types.AttributeDefinition{
			{AttributeName: aws.String("p"), AttributeType: types.ScalarAttributeTypeS},
			{AttributeName: aws.String("s"), AttributeType: types.ScalarAttributeTypeB},
		},
		KeySchema: []types.KeySchemaElement{
			{AttributeName: aws.String("p"), KeyType: types.KeyTypeHash},
			{AttributeName: aws.String("s"), KeyType: types.KeyTypeRange},
		},
	})
	if exists := new(types.ResourceInUseException); failed != nil && !errors.As(failed, &exists) {
		return fmt.Errorf("the table is missing and cannot be created: %w", failed)
	}
	e.mu.Lock()
	e.lasting = true
	e.mu.Unlock()
	return fmt.Errorf("the table is being created: %s", strings.TrimSpace(err.Error()))
}

// limitLife makes DynamoDB delete old items of logs, once, in a table that this server created. A DynamoDB that cannot do
// that keeps them.
func (e *Engine) limitLife(ctx context.Context) error {
	e.mu.Lock()
	due := e.lasting
	e.lasting = false
	e.mu.Unlock()
	if !due {
		return nil
	}
	_, err := e.client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName: &e.Table, TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: aws.String("x"), Enabled: aws.Bool(true)},
	})
	if refused := smithy.APIError(nil); err == nil || errors.As(err, &refused) {
		return nil
	}
	e.mu.Lock()
	e.lasting = true
	e.mu.Unlock()
	return err
}
