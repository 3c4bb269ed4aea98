package xds

import (
	"errors"
	"hash/maphash"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// request is a DiscoveryRequest or a DeltaDiscoveryRequest, as the protocol core reads it.
type request struct {
	delta     bool
	typeURL   string
	nonce     string // of the response this answers; "" when spontaneous
	version   string // state-of-the-world: the version the client has
	node      *corev3.Node
	names     []string          // all names (state-of-the-world), or those to subscribe to
	drop      []string          // delta: names to unsubscribe from
	initial   map[string]string // delta: versions known at reconnect, by name
	nack      bool              // it rejects the response
	message   string            // why, in the client's words
	size      int               // of the message in bytes
	malformed error             // why it could not be decoded
	decoded   discoveryRequest  // set when a generic codec did the decoding

	session   *session     // whose request it is; nil when that does not matter
	encoded   encodedNames // state-of-the-world: zero when not known
	sameNames bool         // they are those of the last request of the type, and left out
}

// encodedNames tell the names of one request from those of another by their bytes.
type encodedNames struct {
	size int
	hash uint64
}

// discoveryRequest is what both generated requests have.
type discoveryRequest interface{ proto.Message }

var errMalformed = errors.New("malformed discovery request")

// decode reads the message from wire bytes, which it does not keep. Unknown fields are
// skipped; client validation rules are not applied (C016).
func (r *request) decode(wire []byte) error {
	var names span
	r.size = len(wire)
	for offset := 0; offset < len(wire); {
		number, kind, n := protowire.ConsumeTag(wire[offset:])
		if n < 0 {
			return errMalformed
		}
		start := offset
		if number == fieldNames && names.count == 0 {
			if size, hash := r.repeatedNames(wire[start:]); size > 0 {
				names.addKnown(start, size, hash)
				offset += size
				continue
			}
		}
		offset += n
		if kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, wire[offset:]); n < 0 {
				return errMalformed
			}
			offset += n
			continue
		}
		value, n := protowire.ConsumeBytes(wire[offset:])
		if n < 0 {
			return errMalformed
		}
		offset += n
		if number == fieldNames {
			names.add(start, offset)
			continue
		}
		if err := r.field(number, value); err != nil {
			return err
		}
	}
	r.takeNames(wire, names)
	return nil
}

// fieldNames is the number of resource_names and of resource_names_subscribe.
const fieldNames = 3

// span is where in a message the names are.
type span struct {
	start, end, count int
	scattered         bool // other fields are between them
	known             int  // bytes at the start that hash to hash; 0 when that was not computed
	hash              uint64
}

func (s *span) add(start, end int) {
	if s.count == 0 {
		s.start, s.end = start, start
	}
	s.scattered = s.scattered || s.end != start
	s.end = end
	s.count++
}

// addKnown adds the first size bytes, which are names that hash to hash.
func (s *span) addKnown(start, size int, hash uint64) {
	s.add(start, start+size)
	s.known, s.hash = size, hash
}

// hashOf returns the hash of the names' bytes.
func (s *span) hashOf(raw []byte) uint64 {
	if s.known == len(raw) {
		return s.hash
	}
	return maphash.Bytes(hashSeed, raw)
}

// repeatedNames looks whether wire begins with the very names of the stream's last request of
// some type, as every ACK of state-of-the-world does, so that they need not be walked through.
// It returns their size in bytes and their hash; no size when they are others.
func (r *request) repeatedNames(wire []byte) (size int, hash uint64) {
	if r.delta || r.session == nil {
		return 0, 0
	}
	for _, w := range r.session.watches {
		if last := w.last; last.size > 0 && last.size <= len(wire) && maphash.Bytes(hashSeed, wire[:last.size]) == last.hash {
			return last.size, last.hash
		}
	}
	return 0, 0
}

// takeNames reads the names, unless they are byte for byte those of the stream's last
// request of this type, as they are in every ACK.
func (r *request) takeNames(wire []byte, names span) {
	if names.count == 0 {
		return
	}
	raw := wire[names.start:names.end]
	if !names.scattered && !r.delta {
		r.encoded = encodedNames{len(raw), names.hashOf(raw)}
		if r.session != nil && r.session.askedLast(r.typeURL, r.encoded) {
			r.sameNames = true
			return
		}
	}
	text := string(raw) // all names share this copy
	r.names = make([]string, 0, names.count)
	for offset := 0; offset < len(raw); {
		number, kind, tag := protowire.ConsumeTag(raw[offset:])
		size := protowire.ConsumeFieldValue(number, kind, raw[offset+tag:])
		if number == fieldNames && kind == protowire.BytesType {
			_, prefix := protowire.ConsumeVarint(raw[offset+tag:])
			r.names = append(r.names, text[offset+tag+prefix:offset+tag+size])
		}
		offset += tag + size
	}
}

// field takes one field that is not names.
func (r *request) field(number protowire.Number, value []byte) error {
	if r.delta {
		return r.deltaField(number, value)
	}
	switch number {
	case 1:
		r.version = string(value)
	case 2:
		return r.decodeNode(value)
	case 4:
		r.typeURL = internedType(value)
	case 5:
		r.nonce = string(value)
	case 6:
		return r.decodeError(value)
	}
	return nil
}

func (r *request) deltaField(number protowire.Number, value []byte) error {
	switch number {
	case 1:
		return r.decodeNode(value)
	case 2:
		r.typeURL = internedType(value)
	case 4:
		r.drop = append(r.drop, string(value))
	case 5:
		return r.decodeInitial(value)
	case 6:
		r.nonce = string(value)
	case 7:
		return r.decodeError(value)
	}
	return nil
}

// internedType is the type URL without an allocation where it is a known one.
func internedType(value []byte) string {
	for _, k := range kinds {
		if k.typeURL == string(value) {
			return k.typeURL
		}
	}
	return string(value)
}

func (r *request) decodeNode(value []byte) error {
	if r.node == nil {
		r.node = &corev3.Node{}
	}
	return proto.UnmarshalOptions{Merge: true}.Unmarshal(value, r.node)
}

// decodeError reads the message of a google.rpc.Status.
func (r *request) decodeError(value []byte) error {
	r.nack = true
	return eachField(value, func(number protowire.Number, at, end int) {
		if number == 2 {
			r.message = shortened(value[at:end])
		}
	})
}

// decodeInitial reads an entry of the map initial_resource_versions.
func (r *request) decodeInitial(value []byte) error {
	var name, version string
	err := eachField(value, func(number protowire.Number, at, end int) {
		switch number {
		case 1:
			name = string(value[at:end])
		case 2:
			version = string(value[at:end])
		}
	})
	if r.initial == nil {
		r.initial = map[string]string{}
	}
	r.initial[name] = version
	return err
}

// eachField calls f with the watch of each length-delimited field's content.
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
	size := 0
	if r.decoded != nil {
		size = proto.Size(r.decoded)
	}
	switch m := r.decoded.(type) {
	case *discoveryv3.DiscoveryRequest:
		*r = request{
			size: size, typeURL: m.TypeUrl, nonce: m.ResponseNonce, version: m.VersionInfo, node: m.Node, names: m.ResourceNames,
			nack: m.ErrorDetail != nil, message: shortened([]byte(m.ErrorDetail.GetMessage())),
		}
	case *discoveryv3.DeltaDiscoveryRequest:
		*r = request{
			delta: true, size: size, typeURL: m.TypeUrl, nonce: m.ResponseNonce, node: m.Node,
			names: m.ResourceNamesSubscribe, drop: m.ResourceNamesUnsubscribe, initial: m.InitialResourceVersions,
			nack: m.ErrorDetail != nil, message: shortened([]byte(m.ErrorDetail.GetMessage())),
		}
	}
}

// onlyAcknowledges says whether the request is an ACK that asks for nothing else. In state-of-the-world
// that is certain when the names are those of the last request, or there are none.
func (r *request) onlyAcknowledges() bool {
	return r.nonce != "" && !r.nack && len(r.names)+len(r.drop) == 0
}
