package xdstest

import (
	"crypto/sha256"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	aggregatev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/aggregate/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// content is the body of a resource: equal bytes, equal sum.
type content struct {
	sum        [sha256.Size]byte
	name       string // as the body says it; "" if it does not
	references map[reference]bool
}

// reference is what a resource needs to be of use.
type reference struct{ typeURL, name string }

func (c *content) refersTo(to reference) bool { return c != nil && c.references[to] }

// equal reports whether both are there and the same.
func (c *content) equal(other *content) bool { return c != nil && other != nil && c.sum == other.sum }

func newContent(body *anypb.Any) *content {
	c := &content{references: make(map[reference]bool)}
	sum := sha256.New()
	sum.Write([]byte(body.GetTypeUrl()))
	sum.Write(body.GetValue())
	sum.Sum(c.sum[:0])
	message, err := body.UnmarshalNew()
	if err != nil {
		return c // opaque: no name, no references
	}
	c.name = nameOf(message)
	c.gather(message.ProtoReflect())
	return c
}

func nameOf(m proto.Message) string {
	if a, ok := m.(*endpointv3.ClusterLoadAssignment); ok {
		return a.GetClusterName()
	}
	if named, ok := m.(interface{ GetName() string }); ok {
		return named.GetName()
	}
	return ""
}

// gather notes what m and everything in it refers to, also within Anys of known types.
func (c *content) gather(m protoreflect.Message) {
	if a, ok := m.Interface().(*anypb.Any); ok {
		if inner, err := a.UnmarshalNew(); err == nil {
			c.gather(inner.ProtoReflect())
		}
		return
	}
	c.own(m.Interface())
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() && field.MapValue().Message() != nil:
			value.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				c.gather(v.Message())
				return true
			})
		case field.IsList() && field.Message() != nil:
			for i := range value.List().Len() {
				c.gather(value.List().Get(i).Message())
			}
		case !field.IsMap() && !field.IsList() && field.Message() != nil:
			c.gather(value.Message())
		}
		return true
	})
}

// own notes what m itself refers to.
func (c *content) own(m proto.Message) {
	switch m := m.(type) {
	case *routev3.RouteAction:
		c.refer(clusterType, m.GetCluster())
	case *routev3.WeightedCluster_ClusterWeight:
		c.refer(clusterType, m.GetName())
	case *routev3.RouteAction_RequestMirrorPolicy:
		c.refer(clusterType, m.GetCluster())
	case *tcpv3.TcpProxy:
		c.refer(clusterType, m.GetCluster())
	case *tcpv3.TcpProxy_WeightedCluster_ClusterWeight:
		c.refer(clusterType, m.GetName())
	case *aggregatev3.ClusterConfig:
		for _, name := range m.GetClusters() {
			c.refer(clusterType, name)
		}
	case *clusterv3.Cluster:
		if m.GetEdsClusterConfig() == nil {
			return
		}
		name := m.GetEdsClusterConfig().GetServiceName()
		if name == "" {
			name = m.GetName()
		}
		c.refer(endpointType, name)
	case *hcmv3.Rds:
		c.refer(routeType, m.GetRouteConfigName())
	case *hcmv3.HttpFilter:
		if m.GetConfigDiscovery() != nil {
			c.refer(filterType, m.GetName())
		}
	case *tlsv3.SdsSecretConfig:
		if m.GetSdsConfig() != nil {
			c.refer(secretType, m.GetName())
		}
	}
}

func (c *content) refer(typeURL, name string) {
	if name != "" {
		c.references[reference{typeURL, name}] = true
	}
}
