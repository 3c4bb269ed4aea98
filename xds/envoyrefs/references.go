package envoyrefs

import (
	"cmp"
	"fmt"
	"slices"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds"
)

// Of returns the references of m, sorted, each once. Parts of types that are not linked into the program
// are passed over.
func Of(m proto.Message) []xds.Ref {
	var refs []xds.Ref
	add := func(typeURL, name string) {
		if name != "" {
			refs = append(refs, xds.Ref{Type: typeURL, Name: name})
		}
	}
	switch m := m.(type) {
	case *clusterv3.Cluster:
		add(xds.EndpointType, assignmentOf(m))
	case *endpointv3.ClusterLoadAssignment:
		return nil // it can be long, and names nothing that is served
	}
	walk(m.ProtoReflect(), func(part protoreflect.Message) {
		for _, r := range referrers[part.Descriptor().FullName()] {
			for _, name := range r.names(part) {
				add(r.to, name)
			}
		}
	})
	slices.SortFunc(refs, func(a, b xds.Ref) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Name, b.Name))
	})
	return slices.Compact(refs)
}

// Decode is Of for a resource as it is served. It fails for a type that is not linked into the program and
// for bytes that are not of that type.
func Decode(typeURL string, body []byte) ([]xds.Ref, error) {
	t, err := protoregistry.GlobalTypes.FindMessageByURL(typeURL)
	if err != nil {
		return nil, fmt.Errorf("type %q: %w", typeURL, err)
	}
	m := t.New().Interface()
	if err := proto.Unmarshal(body, m); err != nil {
		return nil, fmt.Errorf("%s: %w", t.Descriptor().Name(), err)
	}
	return Of(m), nil
}

// assignmentOf is the assignment that c asks for, "" if its endpoints do not come by discovery.
func assignmentOf(c *clusterv3.Cluster) string {
	if c.GetType() != clusterv3.Cluster_EDS {
		return ""
	}
	return cmp.Or(c.GetEdsClusterConfig().GetServiceName(), c.GetName())
}

// walk calls visit for m and every message in it, through each Any that can be resolved.
func walk(m protoreflect.Message, visit func(protoreflect.Message)) {
	visit(m)
	if wrapped, ok := m.Interface().(*anypb.Any); ok {
		if inner, err := wrapped.UnmarshalNew(); err == nil {
			walk(inner.ProtoReflect(), visit)
		}
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		walkField(field, value, visit)
		return true
	})
}

func walkField(field protoreflect.FieldDescriptor, value protoreflect.Value, visit func(protoreflect.Message)) {
	switch {
	case field.IsMap():
		if field.MapValue().Message() != nil {
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				walk(v.Message(), visit)
				return true
			})
		}
	case field.Message() == nil:
	case field.IsList():
		for list, i := value.List(), 0; i < list.Len(); i++ {
			walk(list.Get(i).Message(), visit)
		}
	default:
		walk(value.Message(), visit)
	}
}
