package xds

import (
	"encoding/binary"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of DiscoveryResponse and DeltaDiscoveryResponse.
const (
	fieldVersion           = 1 // version_info, system_version_info
	fieldResources         = 2
	fieldTypeURL           = 4
	fieldNonce             = 5
	fieldRemoved           = 6 // delta
	fieldSotWControlPlane  = 6
	fieldDeltaControlPlane = 7
	fieldSotWErrors        = 7
	fieldDeltaErrors       = 9
)

// Numbers of the fields of envoy.service.discovery.v3.Resource.
const (
	fieldResourceVersion = 1
	fieldResourceName    = 3
	fieldResourceAliases = 4
	fieldResourceTTL     = 6
)

// resourceOverhead is about what a resource takes in a delta response besides its bytes and name.
const resourceOverhead = 32

// maxResponse is the size, in bytes, beyond which a response is split where the protocol
// allows it. gRPC clients refuse 4 MiB.
const maxResponse = 3 << 20

// A variant is a way to encode the same changes.
type variant uint8

const (
	sotwBody variant = iota
	sotwBodyTTL
	deltaBody
	deltaBodyTTL
	variants
)

func variantOf(delta, ttl bool) variant {
	v := sotwBody
	if delta {
		v = deltaBody
	}
	if ttl {
		v++
	}
	return v
}

func (v variant) delta() bool { return v >= deltaBody }
func (v variant) ttl() bool   { return v == sotwBodyTTL || v == deltaBodyTTL }

// A body is an encoded response but for what is a stream's own: the nonce and the server's
// name. It is shared by all streams that are sent the same.
type body struct {
	bytes  []byte
	buffer mem.Buffer // of bytes; without a count, so the collector frees it
}

// bodies are the encodings of one thing, each made once, when first needed.
type bodies struct {
	made [variants]atomic.Pointer[body]
	mu   sync.Mutex // one builder at a time
}

// get returns the body of a variant, building it when there is none. A nil body cache is for a
// body that nobody else will need: it is not kept.
func (b *bodies) get(v variant, keep *bodyCache, build func() []byte) *body {
	if made := b.made[v].Load(); made != nil {
		return made
	}
	if keep == nil {
		return newBody(build())
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if made := b.made[v].Load(); made != nil {
		return made
	}
	made := newBody(build())
	b.made[v].Store(made)
	keep.add(&b.made[v], made)
	return made
}

// body returns the encoding of a difference.
func (d *difference) body(v variant, typeURL string, keep *bodyCache) *body {
	return d.bodies.get(v, keep, func() []byte {
		b := make([]byte, 0, d.size+len(typeURL)+64)
		b = appendHeader(b, d.version, typeURL)
		for _, ch := range d.changes {
			switch {
			case ch.new != nil:
				b = appendResource(b, ch.new, v)
			case v.delta():
				b = appendStringField(b, fieldRemoved, ch.name)
			}
		}
		return b
	})
}

// body returns the encoding of everything, for state-of-the-world.
func (c *content) body(v variant, typeURL string, keep *bodyCache) *body {
	return c.bodies.get(v, keep, func() []byte {
		size := len(typeURL) + 64
		for r := range c.all() {
			size += len(r.wire)
		}
		b := appendHeader(make([]byte, 0, size), c.version(), typeURL)
		for r := range c.all() {
			b = appendResource(b, r, v)
		}
		return b
	})
}

func appendHeader(b []byte, version, typeURL string) []byte {
	b = appendStringField(b, fieldVersion, version)
	return appendStringField(b, fieldTypeURL, typeURL)
}

func appendStringField(b []byte, number protowire.Number, s string) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendString(b, s)
}

// appendResource appends the field of a response that holds r.
func appendResource(b []byte, r *Resource, v variant) []byte {
	if v.delta() {
		b = protowire.AppendTag(b, fieldResources, protowire.BytesType)
		start := len(b)
		return insertSize(appendWrapped(b, r, v.ttl(), true), start)
	}
	if v.ttl() && r.ttl > 0 {
		return appendMessage(b, fieldResources, anyOf(wrapperType, appendWrapped(nil, r, true, true)))
	}
	return append(b, r.wire...)
}

// wrapperType is the type of the message that carries a resource's name, version and TTL.
const wrapperType = typePrefix + "envoy.service.discovery.v3.Resource"

// insertSize puts the size of what b has from start on before it, as a message in a field has it.
func insertSize(b []byte, start int) []byte {
	var size [binary.MaxVarintLen64]byte
	return slices.Insert(b, start, protowire.AppendVarint(size[:0], uint64(len(b)-start))...)
}

// appendWrapped appends r as an envoy.service.discovery.v3.Resource.
func appendWrapped(b []byte, r *Resource, ttl, withBody bool) []byte {
	b = appendStringField(b, fieldResourceVersion, r.version)
	if withBody {
		b = append(b, r.wire...)
	}
	b = appendStringField(b, fieldResourceName, r.name)
	for _, alias := range r.aliases {
		b = appendStringField(b, fieldResourceAliases, alias)
	}
	if ttl && r.ttl > 0 {
		b = appendMessage(b, fieldResourceTTL, duration(r.ttl))
	}
	return b
}

func appendMessage(b []byte, number protowire.Number, message []byte) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	return protowire.AppendBytes(b, message)
}

// anyOf is the content of an Any.
func anyOf(typeURL string, value []byte) []byte {
	return appendMessage(appendStringField(nil, 1, typeURL), 2, value)
}

// duration is d as a google.protobuf.Duration.
func duration(d time.Duration) []byte {
	var b []byte
	if seconds := d / time.Second; seconds > 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(seconds))
	}
	if nanos := d % time.Second; nanos > 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(nanos))
	}
	return b
}

func newBody(bytes []byte) *body { return &body{bytes, mem.SliceBuffer(bytes)} }
