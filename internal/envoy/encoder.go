package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// encoder encodes one proxy for Envoy. Its two fields select how parts of a configuration refer to each other: by
// discovery, as a server sends them, or in one file.
type encoder struct {
	proxy ir.Proxy
	// inline puts routes into their listeners, and the file names of certificates into their TLS contexts.
	inline bool
	// endpoints are the assignments to put into clusters; nil makes clusters use EDS.
	endpoints map[ir.Target]ir.EndpointSet
}

// typed packs a message for an extension point. A message that cannot be marshalled is a bug of doyen: strings in ir
// are valid UTF-8.
func typed(m proto.Message) *anypb.Any {
	a := &anypb.Any{}
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(fmt.Sprintf("%s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return a
}
