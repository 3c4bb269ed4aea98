package envoy

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// Resource is one resource of a view and the place in the documents that caused it.
type Resource struct {
	*xds.Resource
	Origin mesh.Origin
}

// Resources encodes a proxy for the kind of client that its role says. Assignments of services are not
// among them: each is made by Assignment and shared by all views.
//
// An error means that ir holds what no message can say; it is our bug and not a person's.
func Resources(p ir.Proxy) ([]Resource, error) {
	if p.Node.Role == mesh.Proxyless {
		return grpcResources(p)
	}
	return envoyResources(p)
}

// newResource encodes m under its name.
func newResource(typeURL, name string, m proto.Message, origin mesh.Origin) (Resource, error) {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return Resource{}, fmt.Errorf("%s %q: %w", m.ProtoReflect().Descriptor().Name(), name, err)
	}
	options := xds.ResourceOptions{References: envoyrefs.Of(m)}
	return Resource{xds.NewResource(typeURL, name, body, options), origin}, nil
}
