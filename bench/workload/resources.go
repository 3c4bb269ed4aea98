package workload

import (
	"fmt"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Cluster is the encoded cluster index of a view: an EDS cluster over ADS.
func (s Shape) Cluster(view, index int) []byte {
	ads := &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
	return encode(&clusterv3.Cluster{
		Name:                 s.Name(view, index),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads},
		ConnectTimeout:       durationpb.New(time.Second),
		LbPolicy:             clusterv3.Cluster_LEAST_REQUEST,
	})
}

// Assignment is the encoded assignment of the cluster index of a view, before any change. It ends
// with the weight of its locality, which is what changes rewrite.
func (s Shape) Assignment(view, index int) []byte {
	endpoints := make([]*endpointv3.LbEndpoint, s.Endpoints)
	for i := range endpoints {
		endpoints[i] = endpoint(view, index, i)
	}
	return encode(&endpointv3.ClusterLoadAssignment{
		ClusterName: s.Name(view, index),
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			Locality:            &corev3.Locality{Zone: "zone-a"},
			LbEndpoints:         endpoints,
			LoadBalancingWeight: wrapperspb.UInt32(weightBase),
		}},
	})
}

func endpoint(view, cluster, index int) *endpointv3.LbEndpoint {
	address := fmt.Sprintf("10.%d.%d.%d", cluster>>8, cluster&255, index+1)
	return &endpointv3.LbEndpoint{
		HealthStatus: corev3.HealthStatus_HEALTHY,
		HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
			Address: &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
				Address:       address,
				PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(1024 + view)},
			}}},
		}},
	}
}

// encode panics when m cannot be encoded, which a message made in this file always can.
func encode(m proto.Message) []byte {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(err)
	}
	return body
}
