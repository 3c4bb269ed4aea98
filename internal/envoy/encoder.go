package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// encoder encodes one proxy for Envoy. Its two switches say where the parts of a configuration find
// each other: by discovery, as a server sends them, or in one file.
type encoder struct {
	proxy ir.Proxy
	// inline puts routes into their listeners and certificates' file names into their contexts.
	inline bool
	// endpoints are the assignments to put into clusters; nil leaves them to discovery.
	endpoints map[ir.Target][]ir.Endpoint
}

// typed wraps a message that an extension point takes. That it cannot be marshalled is our bug: strings
// in ir are valid UTF-8.
func typed(m proto.Message) *anypb.Any {
	a := &anypb.Any{}
	if err := anypb.MarshalFrom(a, m, proto.MarshalOptions{Deterministic: true}); err != nil {
		panic(fmt.Sprintf("%s: %v", m.ProtoReflect().Descriptor().FullName(), err))
	}
	return a
}
