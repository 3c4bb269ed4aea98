package dynamoengine

import (
	binaryform "encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/doyen-mesh/doyen/internal/registry/share"
)

// item is an item of the table, or some attributes of one.
type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func binary(b []byte) types.AttributeValue { return &types.AttributeValueMemberB{Value: b} }
func number(n uint64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatUint(n, 10)}
}

// The values of attributes; zero if they are of another type.

func textOf(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}

func binaryOf(v types.AttributeValue) []byte {
	b, _ := v.(*types.AttributeValueMemberB)
	if b == nil {
		return nil
	}
	return b.Value
}

func numberOf(v types.AttributeValue) uint64 {
	n, _ := v.(*types.AttributeValueMemberN)
	if n == nil {
		return 0
	}
	parsed, _ := strconv.ParseUint(n.Value, 10, 64)
	return parsed
}

func key(partition string, sort []byte) item {
	return item{"p": text(partition), "s": binary(sort)}
}

// sortKey is the sort key of an entry. It is never empty, which DynamoDB does not allow.
func sortKey(key string) []byte { return append([]byte{'k'}, key...) }

// numbered is the sort key of a number in a log.
func numbered(n uint64) []byte { return binaryform.BigEndian.AppendUint64(nil, n) }

func numberedOf(v types.AttributeValue) (uint64, bool) {
	b := binaryOf(v)
	if len(b) != 8 {
		return 0, false
	}
	return binaryform.BigEndian.Uint64(b), true
}

// expires is when DynamoDB may delete an item of a log.
func expires() types.AttributeValue { return number(uint64(time.Now().Add(keepLogs).Unix())) }

// rankText is a rank as the table has it: texts compare like the ranks.
func rankText(entry share.Entry) string { return hex.EncodeToString(entry.Rank[:]) }

func (e *Engine) item(shard int, entry share.Entry) item {
	all := key(e.shardKey(shard), sortKey(entry.Key))
	all["r"], all["v"] = text(rankText(entry)), binary(entry.Value)
	return all
}

// entryOf reads an entry's item, and reports whether it is one.
func entryOf(has item) (share.Entry, bool) {
	sort, rank := binaryOf(has["s"]), textOf(has["r"])
	value, ok := has["v"].(*types.AttributeValueMemberB)
	var entry share.Entry
	if len(sort) == 0 || sort[0] != 'k' || len(rank) != 2*len(entry.Rank) || !ok {
		return entry, false
	}
	if _, err := hex.Decode(entry.Rank[:], []byte(rank)); err != nil || rankText(entry) != rank {
		return entry, false
	}
	entry.Key, entry.Value = string(sort[1:]), value.Value
	if entry.Value == nil {
		entry.Value = []byte{}
	}
	return entry, true
}
