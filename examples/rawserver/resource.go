package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// nameIsField1 lists the types whose name can be read from their bytes, because it is field 1.
var nameIsField1 = []string{
	"envoy.config.cluster.v3.Cluster",
	"envoy.config.core.v3.TypedExtensionConfig",
	"envoy.config.endpoint.v3.ClusterLoadAssignment",
	"envoy.config.listener.v3.Listener",
	"envoy.config.route.v3.RouteConfiguration",
	"envoy.config.route.v3.ScopedRouteConfiguration",
	"envoy.config.route.v3.VirtualHost",
	"envoy.extensions.filters.network.generic_proxy.v3.RouteConfiguration",
	"envoy.extensions.filters.network.thrift_proxy.v3.RouteConfiguration",
	"envoy.extensions.transport_sockets.tls.v3.Secret",
	"envoy.service.runtime.v3.Runtime",
}

// unwrap makes a resource of an Any in a body. The Any is either a resource with its name in its bytes, or a
// discovery Resource, which gives its name, TTL and aliases.
func unwrap(a *anypb.Any) (*xds.Resource, error) {
	if !isWrapper(a.GetTypeUrl()) {
		name, err := nameOf(a)
		if err != nil {
			return nil, err
		}
		return xds.NewResource(a.GetTypeUrl(), name, a.GetValue(), xds.ResourceOptions{References: references(a)}), nil
	}
	var wrapper discoveryv3.Resource
	if err := proto.Unmarshal(a.GetValue(), &wrapper); err != nil {
		return nil, err
	}
	inner := wrapper.GetResource()
	if inner.GetTypeUrl() == "" {
		return nil, errors.New("a discovery Resource without a resource in it")
	}
	name := wrapper.GetName()
	if name == "" {
		var err error
		if name, err = nameOf(inner); err != nil {
			return nil, err
		}
	}
	return xds.NewResource(inner.GetTypeUrl(), name, inner.GetValue(), xds.ResourceOptions{
		References: references(inner),
		TTL:        wrapper.GetTtl().AsDuration(),
		Aliases:    wrapper.GetAliases(),
	}), nil
}

// wrap is the inverse of unwrap. It returns a plain Any if that contains everything.
func wrap(r *xds.Resource) *anypb.Any {
	plain := &anypb.Any{TypeUrl: r.Type(), Value: r.Body()}
	if nameIn(plain) == r.Name() && r.TTL() == 0 && len(r.Aliases()) == 0 {
		return plain
	}
	wrapper := &discoveryv3.Resource{Name: r.Name(), Aliases: r.Aliases(), Resource: plain}
	if r.TTL() != 0 {
		wrapper.Ttl = durationpb.New(r.TTL())
	}
	// A message of strings, bytes and a duration can always be encoded, unless one of the strings is not UTF-8. These
	// strings come from a decoded message, which has checked that.
	value, err := proto.Marshal(wrapper)
	if err != nil {
		return plain
	}
	return &anypb.Any{TypeUrl: typePrefix + string(wrapper.ProtoReflect().Descriptor().FullName()), Value: value}
}

const typePrefix = "type.googleapis.com/"

func isWrapper(typeURL string) bool {
	return message(typeURL) == "envoy.service.discovery.v3.Resource"
}

// message returns the name of the message in typeURL: what follows its last slash.
func message(typeURL string) string {
	return typeURL[strings.LastIndexByte(typeURL, '/')+1:]
}

// references returns the references by which the engine orders pushes. They come from the bytes if their type is
// known and they can be decoded. Otherwise there is no order.
func references(a *anypb.Any) []xds.Ref {
	references, err := envoyrefs.Decode(a.GetTypeUrl(), a.GetValue())
	if err != nil {
		return nil
	}
	return references
}

// nameOf returns the name in the bytes of a. A name that is not UTF-8 would make every delta response with it
// undecodable for clients.
func nameOf(a *anypb.Any) (string, error) {
	name := nameIn(a)
	switch {
	case name == "":
		return "", noName(a)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("name %q of a %s: want UTF-8", name, message(a.GetTypeUrl()))
	}
	return name, nil
}

func noName(a *anypb.Any) error {
	if slices.Contains(nameIsField1, message(a.GetTypeUrl())) {
		return fmt.Errorf("a %s without a name", message(a.GetTypeUrl()))
	}
	return fmt.Errorf("no name: type %q is not known here; put it in an envoy.service.discovery.v3.Resource, which names it", a.GetTypeUrl())
}

// nameIn reads the name from the bytes of a, whatever else they contain; "" if there is none.
func nameIn(a *anypb.Any) (name string) {
	if !slices.Contains(nameIsField1, message(a.GetTypeUrl())) {
		return ""
	}
	for rest := a.GetValue(); len(rest) > 0; {
		number, wire, n := protowire.ConsumeTag(rest)
		if n < 0 {
			break
		}
		rest = rest[n:]
		if number == 1 && wire == protowire.BytesType {
			if value, n := protowire.ConsumeBytes(rest); n >= 0 {
				name = string(value)
			}
		}
		n = protowire.ConsumeFieldValue(number, wire, rest)
		if n < 0 {
			break
		}
		rest = rest[n:]
	}
	return name
}
