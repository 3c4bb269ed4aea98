package xds

import (
	clusterservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	extensionservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/extension/v3"
	listenerservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/listener/v3"
	routeservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/route/v3"
	runtimeservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/runtime/v3"
	secretservicev3 "github.com/envoyproxy/go-control-plane/envoy/service/secret/v3"
	"google.golang.org/grpc"
)

// service is one gRPC service and the streams it has.
type service struct {
	name        string // in StreamInfo.Method, after the protocol
	typeURL     string // "" on the aggregated service
	description grpc.ServiceDesc
	sotw, delta string // names of the methods; "" when there is none
}

// services are all there are. Registering one of another type is a line here.
func services() []service {
	return []service{
		{"ads", "", discoveryv3.AggregatedDiscoveryService_ServiceDesc, "StreamAggregatedResources", "DeltaAggregatedResources"},
		{"cds", ClusterType, clusterservicev3.ClusterDiscoveryService_ServiceDesc, "StreamClusters", "DeltaClusters"},
		{"eds", EndpointType, endpointservicev3.EndpointDiscoveryService_ServiceDesc, "StreamEndpoints", "DeltaEndpoints"},
		{"lds", ListenerType, listenerservicev3.ListenerDiscoveryService_ServiceDesc, "StreamListeners", "DeltaListeners"},
		{"srds", ScopedRouteType, routeservicev3.ScopedRoutesDiscoveryService_ServiceDesc, "StreamScopedRoutes", "DeltaScopedRoutes"},
		{"rds", RouteType, routeservicev3.RouteDiscoveryService_ServiceDesc, "StreamRoutes", "DeltaRoutes"},
		{"vhds", VirtualHostType, routeservicev3.VirtualHostDiscoveryService_ServiceDesc, "", "DeltaVirtualHosts"},
		{"sds", SecretType, secretservicev3.SecretDiscoveryService_ServiceDesc, "StreamSecrets", "DeltaSecrets"},
		{"rtds", RuntimeType, runtimeservicev3.RuntimeDiscoveryService_ServiceDesc, "StreamRuntime", "DeltaRuntime"},
		{"ecds", ExtensionConfigType, extensionservicev3.ExtensionConfigDiscoveryService_ServiceDesc, "StreamExtensionConfigs", "DeltaExtensionConfigs"},
	}
}

// Register adds the aggregated service and the service of every type to a gRPC server.
func (s *Server) Register(g grpc.ServiceRegistrar) {
	for _, of := range services() {
		d := grpc.ServiceDesc{ServiceName: of.description.ServiceName, HandlerType: (*any)(nil), Metadata: of.description.Metadata}
		if of.sotw != "" {
			d.Streams = append(d.Streams, s.streamDesc(of.sotw, method{"sotw-" + of.name, false, of.typeURL}))
		}
		d.Streams = append(d.Streams, s.streamDesc(of.delta, method{"delta-" + of.name, true, of.typeURL}))
		g.RegisterService(&d, s)
	}
}

func (s *Server) streamDesc(name string, m method) grpc.StreamDesc {
	return grpc.StreamDesc{
		StreamName: name, ServerStreams: true, ClientStreams: true,
		Handler: func(_ any, g grpc.ServerStream) error { return s.serve(m, g) },
	}
}
