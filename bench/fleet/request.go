package fleet

import (
	"encoding/binary"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// Protocol is one of the two variants of xDS.
type Protocol string

// The two variants, in the words of the flags and of the report.
const (
	Delta Protocol = "delta"
	SotW  Protocol = "sotw"
)

// path is the gRPC method of the aggregated stream.
func (p Protocol) path() string {
	const service = "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
	if p == Delta {
		return service + "DeltaAggregatedResources"
	}
	return service + "StreamAggregatedResources"
}

// fields are the numbers of the fields that requests and responses of a variant have in common.
type fields struct {
	node, names, typeURL, nonce, version protowire.Number // of a request; 0 where there is none
	resources, removed                   protowire.Number // of a response
	responseTypeURL                      protowire.Number
	responseNonce, responseVersion       protowire.Number
}

func (p Protocol) fields() fields {
	if p == Delta {
		return fields{node: 1, typeURL: 2, names: 3, nonce: 6, resources: 2, removed: 6, responseTypeURL: 4, responseNonce: 5}
	}
	return fields{version: 1, node: 2, names: 3, typeURL: 4, nonce: 5, resources: 2, responseTypeURL: 4,
		responseNonce: 5, responseVersion: 1}
}

// appendField appends a length-delimited field.
func appendField(b []byte, number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), value)
}

// node is the field that names the client, for the first request of its stream.
func (p Protocol) node(client int) []byte {
	id := appendField(nil, 1, fmt.Appendf(nil, "client-%05d", client))
	return appendField(nil, p.fields().node, appendField(id, 2, []byte("bench")))
}

// typeURL is the field that names a type.
func (p Protocol) typeURL(url string) []byte {
	return appendField(nil, p.fields().typeURL, []byte(url))
}

// names is the fields that subscribe to the assignments of the given indices.
func (p Protocol) names(shape workload.Shape, view int, indices []int) []byte {
	var b []byte
	for _, index := range indices {
		b = appendField(b, p.fields().names, []byte(shape.Name(view, index)))
	}
	return b
}

// prefixLength is the length of what gRPC puts before a message: one byte that says whether it is
// compressed, and four with its length.
const prefixLength = 5

// appendMessage appends a gRPC message whose body is the parts one after the other.
func appendMessage(b []byte, parts ...[]byte) []byte {
	length := 0
	for _, part := range parts {
		length += len(part)
	}
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	for _, part := range parts {
		b = append(b, part...)
	}
	return b
}
