package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// Resource is one resource of a view and the places in the documents that caused it.
type Resource struct {
	*xds.Resource
	Origin    mesh.Origin   // why the view has it
	DecidedAt []mesh.Origin // what decided its content, where that is known and elsewhere
}

// Resources encodes a proxy for the kind of client of its role. The assignments of services are not included:
// Assignment encodes each of them, and all views share them. A server uses a Cache instead.
//
// An error means that ir holds a value that no message can hold, which is a bug of doyen.
func Resources(p ir.Proxy) ([]Resource, error) { return NewCache().Resources(p) }

// Origins returns the places in the documents that caused the resources of a proxy and the assignments that it uses.
// The first place of each shows why the proxy has it, and the others what determined its content.
func Origins(p ir.Proxy) map[xds.Ref][]mesh.Origin {
	all := map[xds.Ref][]mesh.Origin{}
	for _, part := range parts(p) {
		all[part.Ref] = append([]mesh.Origin{part.origin}, part.decidedAt...)
	}
	for _, u := range p.Upstreams {
		for _, assignment := range clusterReferences(u) {
			all[assignment] = append([]mesh.Origin{u.Origin}, u.DecidedAt...)
		}
	}
	return all
}

// part is one resource before it is encoded.
type part struct {
	xds.Ref
	origin    mesh.Origin
	decidedAt []mesh.Origin
	// from is everything in ir that determines the bytes. Parts of one kind with equal values of from are the same
	// resource, in whichever proxy they are.
	kind  string
	from  []any
	build func() (proto.Message, []xds.Ref) // the message and what it refers to
}

// parts returns the resources that p gets by discovery.
func parts(p ir.Proxy) []part {
	if p.Node.Role == mesh.Proxyless {
		return grpcParts(p)
	}
	e := encoder{proxy: p}
	all := make([]part, 0, 2*len(p.Upstreams))
	all = append(all, e.clusters()...)
	all = append(all, e.listeners()...)
	all = append(all, e.routes()...)
	return append(all, e.secrets()...)
}

// encode encodes a part as a resource.
func (p part) encode() (*xds.Resource, error) {
	m, references := p.build()
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", m.ProtoReflect().Descriptor().Name(), p.Name, err)
	}
	return xds.NewResource(p.Type, p.Name, body, xds.ResourceOptions{References: references}), nil
}
