package xds

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Ref names a resource by type URL (with the type.googleapis.com/ prefix) and name.
type Ref struct{ Type, Name string }

// ResourceOptions is what a resource may have besides its bytes.
type ResourceOptions struct {
	// References are the resources that this one needs to exist before it is of
	// use, such as the clusters of a route. They decide the order of pushes;
	// who leaves them out loses only that.
	References []Ref
	// TTL is how long a client keeps the resource without hearing of it again;
	// 0 is for ever. It is sent only to clients that announce support (C101).
	TTL time.Duration
	// Aliases are further names the resource answers to. Only virtual hosts
	// delivered on demand (VHDS) may have them (C105).
	Aliases []string
}

// Resource is one named, immutable xDS object. Its bytes are encoded once, as a
// protobuf Any, and shared by every response that contains it.
type Resource struct {
	// What tables look at comes first, so that walking through one touches little memory.
	name        string
	sum         setSum
	further     []*Resource // entries of the index of further names
	placeholder bool        // what a client had when it connected; see placeholder

	typeURL    string
	wire       []byte // field 2 (the Any) of Resource and, with the same bytes, of DiscoveryResponse
	body       []byte // the part of wire that is the object itself
	version    string
	references []Ref
	aliases    []string
	ttl        time.Duration
	target     *Resource // of an entry of the index: the resource it leads to
}

// resourceField is the number of the Any in both envoy.service.discovery.v3.Resource
// and DiscoveryResponse, which is why one encoding serves both protocols.
const resourceField = 2

// NewResource copies body, the serialized message of the type that typeURL names,
// and computes the version. The body is not looked at. The context parameters of xdstp names are
// sorted, and directives left off, as clients do it (C106).
//
// NewResource panics if typeURL, name or an alias is not valid UTF-8: no client could decode a response
// with it. Check names that come from outside the program with [utf8.ValidString].
func NewResource(typeURL, name string, body []byte, o ResourceOptions) *Resource {
	for _, s := range append([]string{typeURL, name}, o.Aliases...) {
		if !utf8.ValidString(s) {
			panic(fmt.Sprintf("xds: %q, of the resource %q of type %q, is not valid UTF-8", s, name, typeURL))
		}
	}
	r := &Resource{
		typeURL:    typeURL,
		name:       canonicalName(name),
		references: slices.Clone(o.References),
		aliases:    slices.Clone(o.Aliases),
		ttl:        max(o.TTL, 0),
	}
	r.wire, r.body = encodeAny(typeURL, body)
	r.version, r.sum = fingerprint(r)
	for i, ref := range r.references {
		r.references[i].Name = canonicalName(ref.Name)
	}
	r.further = furtherNames(r)
	return r
}

// Type is the type URL, with the type.googleapis.com/ prefix.
func (r *Resource) Type() string { return r.typeURL }

// Name is the name clients ask for.
func (r *Resource) Name() string { return r.name }

// Body is the serialized object. It is shared: it must not be changed.
func (r *Resource) Body() []byte { return r.body }

// Version is a hash of all that is served (bytes, TTL, aliases) in 11 characters: equal
// on every server and after every restart for equal content (C024, C082).
func (r *Resource) Version() string { return r.version }

// References is what the resource needs to exist. It must not be changed.
func (r *Resource) References() []Ref { return r.references }

// TTL is how long a client keeps the resource unheard of; 0 is for ever.
func (r *Resource) TTL() time.Duration { return r.ttl }

// Aliases are the further names the resource answers to. They must not be changed.
func (r *Resource) Aliases() []string { return r.aliases }

// refersTo says whether the resource needs ref. A nil resource needs nothing.
func (r *Resource) refersTo(ref Ref) bool {
	return r != nil && slices.Contains(r.references, ref)
}

// refersToOwnType says whether the resource needs another of its type, as an aggregate cluster does.
func (r *Resource) refersToOwnType() bool {
	return r != nil && slices.ContainsFunc(r.references, func(ref Ref) bool { return ref.Type == r.typeURL })
}

// sameContent says whether a client that has a needs not be sent b. Absent equals absent.
func sameContent(a, b *Resource) bool {
	return a == b || a != nil && b != nil && a.sum == b.sum
}

// encodeAny returns the field that holds Any{typeURL, body}, and the part of it that is body.
func encodeAny(typeURL string, body []byte) (wire, inner []byte) {
	size := 0
	if typeURL != "" {
		size += protowire.SizeTag(1) + protowire.SizeBytes(len(typeURL))
	}
	if len(body) > 0 {
		size += protowire.SizeTag(2) + protowire.SizeBytes(len(body))
	}
	wire = make([]byte, 0, protowire.SizeTag(resourceField)+protowire.SizeBytes(size))
	wire = protowire.AppendTag(wire, resourceField, protowire.BytesType)
	wire = protowire.AppendVarint(wire, uint64(size))
	if typeURL != "" {
		wire = protowire.AppendTag(wire, 1, protowire.BytesType)
		wire = protowire.AppendString(wire, typeURL)
	}
	if len(body) > 0 {
		wire = protowire.AppendTag(wire, 2, protowire.BytesType)
		wire = protowire.AppendBytes(wire, body)
	}
	return wire, wire[len(wire)-len(body):]
}

// fingerprint hashes what is served of r into its version and its part of a set's sum.
func fingerprint(r *Resource) (string, setSum) {
	h := sha256.New()
	writeSized(h, r.typeURL)
	writeSized(h, r.body)
	for _, alias := range r.aliases {
		writeSized(h, alias)
	}
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(r.ttl)))
	version := base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:8])

	writeSized(h, r.name)
	full := h.Sum(nil)
	return version, setSum{binary.LittleEndian.Uint64(full[:8]), binary.LittleEndian.Uint64(full[8:16])}
}

func writeSized[T string | []byte](h hash.Hash, s T) {
	h.Write(binary.LittleEndian.AppendUint64(nil, uint64(len(s))))
	h.Write([]byte(s))
}

// setSum is a hash of a set of resources that is kept up to date incrementally:
// the sum of its members' hashes, lane by lane. Equal sets have equal sums.
type setSum [2]uint64

func (s setSum) add(r *Resource) setSum {
	if r == nil {
		return s
	}
	return setSum{s[0] + r.sum[0], s[1] + r.sum[1]}
}

func (s setSum) remove(r *Resource) setSum {
	if r == nil {
		return s
	}
	return setSum{s[0] - r.sum[0], s[1] - r.sum[1]}
}

// version is the sum in 11 characters, the version of a whole type.
func (s setSum) version() string {
	return base64.RawURLEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, s[0]))
}
