package xds

import (
	"errors"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// request is a DiscoveryRequest or a DeltaDiscoveryRequest, as the protocol core reads it.
type request struct {
	delta   bool
	typeURL string
	nonce   string // of the response this answers; "" when spontaneous
	version string // state-of-the-world: the version the client has
	node    *corev3.Node
	names   []string          // all names (state-of-the-world), or those to subscribe to
	drop    []string          // delta: names to unsubscribe from
	initial map[string]string // delta: versions known at reconnect, by name
	refused bool              // a NACK
	message string            // why, in the client's words
	decoded discoveryRequest  // set when a generic codec did the decoding
}

// discoveryRequest is what both generated requests have.
type discoveryRequest interface{ proto.Message }

var errMalformed = errors.New("malformed discovery request")

// decode reads the message from wire bytes, which it copies. Unknown fields are
// skipped; client validation rules are not applied (C016).
func (r *request) decode(wire []byte) error {
	text := string(wire) // all strings of the request share this copy
	for offset := 0; offset < len(wire); {
		number, kind, n := protowire.ConsumeTag(wire[offset:])
		if n < 0 {
			return errMalformed
		}
		offset += n
		n = protowire.ConsumeFieldValue(number, kind, wire[offset:])
		if n < 0 {
			return errMalformed
		}
		if kind == protowire.BytesType {
			_, prefix := protowire.ConsumeVarint(wire[offset:])
			if err := r.field(number, wire[offset+prefix:offset+n], text[offset+prefix:offset+n]); err != nil {
				return err
			}
		}
		offset += n
	}
	return nil
}

// field takes one field, given as bytes and as text.
func (r *request) field(number protowire.Number, value []byte, text string) error {
	if r.delta {
		return r.deltaField(number, value, text)
	}
	switch number {
	case 1:
		r.version = text
	case 2:
		return r.decodeNode(value)
	case 3:
		r.names = append(r.names, text)
	case 4:
		r.typeURL = text
	case 5:
		r.nonce = text
	case 6:
		return r.decodeError(value)
	}
	return nil
}

func (r *request) deltaField(number protowire.Number, value []byte, text string) error {
	switch number {
	case 1:
		return r.decodeNode(value)
	case 2:
		r.typeURL = text
	case 3:
		r.names = append(r.names, text)
	case 4:
		r.drop = append(r.drop, text)
	case 5:
		return r.decodeInitial(value, text)
	case 6:
		r.nonce = text
	case 7:
		return r.decodeError(value)
	}
	return nil
}

func (r *request) decodeNode(value []byte) error {
	r.node = &corev3.Node{}
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(value, r.node)
}

// decodeError reads the message of a google.rpc.Status.
func (r *request) decodeError(value []byte) error {
	r.refused = true
	return eachField(value, func(number protowire.Number, at, end int) {
		if number == 2 {
			r.message = string(value[at:end])
		}
	})
}

// decodeInitial reads an entry of the map initial_resource_versions.
func (r *request) decodeInitial(value []byte, text string) error {
	var name, version string
	err := eachField(value, func(number protowire.Number, at, end int) {
		switch number {
		case 1:
			name = text[at:end]
		case 2:
			version = text[at:end]
		}
	})
	if r.initial == nil {
		r.initial = map[string]string{}
	}
	r.initial[name] = version
	return err
}

// eachField calls f with the place of each length-delimited field's content.
func eachField(value []byte, f func(number protowire.Number, at, end int)) error {
	for offset := 0; offset < len(value); {
		number, kind, n := protowire.ConsumeTag(value[offset:])
		if n < 0 {
			return errMalformed
		}
		offset += n
		n = protowire.ConsumeFieldValue(number, kind, value[offset:])
		if n < 0 {
			return errMalformed
		}
		if kind == protowire.BytesType {
			_, prefix := protowire.ConsumeVarint(value[offset:])
			f(number, offset+prefix, offset+n)
		}
		offset += n
	}
	return nil
}

// adopt takes over what a generic codec decoded, if one did.
func (r *request) adopt() {
	switch m := r.decoded.(type) {
	case *discoveryv3.DiscoveryRequest:
		*r = request{
			typeURL: m.TypeUrl, nonce: m.ResponseNonce, version: m.VersionInfo, node: m.Node, names: m.ResourceNames,
			refused: m.ErrorDetail != nil, message: m.ErrorDetail.GetMessage(),
		}
	case *discoveryv3.DeltaDiscoveryRequest:
		*r = request{
			delta: true, typeURL: m.TypeUrl, nonce: m.ResponseNonce, node: m.Node,
			names: m.ResourceNamesSubscribe, drop: m.ResourceNamesUnsubscribe, initial: m.InitialResourceVersions,
			refused: m.ErrorDetail != nil, message: m.ErrorDetail.GetMessage(),
		}
	}
}
