package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
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

// message is a resource before it is encoded.
type message struct {
	typeURL, name string
	proto.Message
	origin mesh.Origin
}

// envoyResources are the resources of a sidecar or an edge.
func envoyResources(p ir.Proxy) ([]Resource, error) {
	e := encoder{proxy: p}
	var all []message
	all = append(all, e.clusters()...)
	all = append(all, e.listeners()...)
	all = append(all, e.routes()...)
	all = append(all, e.certificates()...)
	return encodeAll(all)
}

func encodeAll(messages []message) ([]Resource, error) {
	resources := make([]Resource, 0, len(messages))
	for _, m := range messages {
		r, err := newResource(m.typeURL, m.name, m.Message, m.origin)
		if err != nil {
			return nil, err
		}
		resources = append(resources, r)
	}
	return resources, nil
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
