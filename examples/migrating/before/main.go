// Before is a small control plane on go-control-plane.
package main

import (
	"context"
	"flag"
	"log"
	"net"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	clusterservice "github.com/envoyproxy/go-control-plane/envoy/service/cluster/v3"
	discovery "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	endpointservice "github.com/envoyproxy/go-control-plane/envoy/service/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
)

// byCluster gives all nodes of one cluster the same snapshot.
type byCluster struct{}

func (byCluster) ID(node *corev3.Node) string { return node.GetCluster() }

func main() {
	address := flag.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	flag.Parse()

	snapshots := cache.NewSnapshotCache(true, byCluster{}, nil)
	snapshot, err := cache.NewSnapshot("1", map[resource.Type][]types.Resource{
		resource.ClusterType:  {cluster("users")},
		resource.EndpointType: {assignment("users", "10.0.0.7", 8080)},
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := snapshot.Consistent(); err != nil {
		log.Fatal(err)
	}
	if err := snapshots.SetSnapshot(context.Background(), "web", snapshot); err != nil {
		log.Fatal(err)
	}

	callbacks := server.CallbackFuncs{
		StreamRequestFunc: func(id int64, r *discovery.DiscoveryRequest) error {
			if r.GetErrorDetail() != nil {
				log.Printf("stream %d refused %s: %s", id, r.GetTypeUrl(), r.GetErrorDetail().GetMessage())
			}
			return nil
		},
		StreamDeltaRequestFunc: func(id int64, r *discovery.DeltaDiscoveryRequest) error {
			if r.GetErrorDetail() != nil {
				log.Printf("stream %d refused %s: %s", id, r.GetTypeUrl(), r.GetErrorDetail().GetMessage())
			}
			return nil
		},
	}
	engine := server.NewServer(context.Background(), snapshots, callbacks)
	g := grpc.NewServer(grpc.MaxConcurrentStreams(1_000_000))
	discovery.RegisterAggregatedDiscoveryServiceServer(g, engine)
	clusterservice.RegisterClusterDiscoveryServiceServer(g, engine)
	endpointservice.RegisterEndpointDiscoveryServiceServer(g, engine)

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(g.Serve(listener))
}

func cluster(name string) *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 name,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig: &clusterv3.Cluster_EdsClusterConfig{EdsConfig: &corev3.ConfigSource{
			ResourceApiVersion:    corev3.ApiVersion_V3,
			ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		}},
	}
}

func assignment(cluster, ip string, port uint32) *endpointv3.ClusterLoadAssignment {
	address := &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: ip, PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: port},
	}}}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: cluster,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		}}}},
	}
}
