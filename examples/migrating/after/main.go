// After is the same control plane on doyen's engine.
package main

import (
	"flag"
	"log"
	"net"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// byCluster gives all nodes of one cluster the same snapshot.
func byCluster(node *xds.Node) string { return node.Cluster }

func main() {
	address := flag.String("xds", "127.0.0.1:18000", "`address` for xDS clients")
	flag.Parse()

	snapshots := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: byCluster})
	resources, err := encode(cluster("users"), assignment("users", "10.0.0.7", 8080))
	if err != nil {
		log.Fatal(err)
	}
	snapshot := xds.NewSnapshot(resources...)
	if err := snapshot.Check(nil); err != nil {
		log.Fatal(err)
	}
	snapshots.Publish("web", snapshot)

	callbacks := xds.Callbacks{
		Rejected: func(s xds.StreamInfo, r xds.Rejection) {
			log.Printf("stream %d refused %s: %s", s.ID, r.Type, r.Message)
		},
	}
	engine := xds.NewServer(snapshots, xds.ServerOptions{Callbacks: callbacks})
	g := grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(g)

	listener, err := net.Listen("tcp", *address)
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(g.Serve(listener))
}

// encode makes resources of messages, each with its name and with what it refers to.
func encode(messages ...proto.Message) ([]*xds.Resource, error) {
	var all []*xds.Resource
	for _, m := range messages {
		r, err := envoyrefs.Resource(m)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
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
