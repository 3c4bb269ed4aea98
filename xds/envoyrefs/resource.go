package envoyrefs

import (
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
)

// Resource returns m as it is served: with its own type, name and references. Equal messages have equal
// bytes, hence equal versions, as long as the program is linked against the same protobuf release.
//
// The name is the one that clients ask for: the field name, or cluster_name of a ClusterLoadAssignment. A
// message without a name, and one that is not valid protobuf (such as a string that is not UTF-8), is an error.
func Resource(m proto.Message) (*xds.Resource, error) {
	return ResourceWith(m, xds.ResourceOptions{})
}

// ResourceWith is Resource with options, such as a TTL. References that are nil are derived from m.
func ResourceWith(m proto.Message, o xds.ResourceOptions) (*xds.Resource, error) {
	typeName := m.ProtoReflect().Descriptor().FullName()
	name := nameOf(m)
	if name == "" {
		return nil, fmt.Errorf("%s has no name", typeName)
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("%s %q: %w", typeName.Name(), name, err)
	}
	for _, alias := range o.Aliases {
		if !utf8.ValidString(alias) {
			return nil, fmt.Errorf("%s %q: alias %q is not valid UTF-8", typeName.Name(), name, alias)
		}
	}
	if o.References == nil {
		o.References = Of(m)
	}
	return xds.NewResource("type.googleapis.com/"+string(typeName), name, body, o), nil
}

// nameOf is the name of a message that has one.
func nameOf(m proto.Message) string {
	switch m := m.(type) {
	case interface{ GetName() string }:
		return m.GetName()
	case interface{ GetClusterName() string }:
		return m.GetClusterName()
	}
	return ""
}
