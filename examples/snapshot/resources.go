package main

import (
	"fmt"
	"net/netip"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

// The names of the resources, which refer to each other.
const (
	listenerName = "ingress"
	routeName    = "ingress-routes"
	clusterName  = "upstream"
)

// resources returns everything that an Envoy needs to listen on one address and forward to others.
func resources(listen string, upstreams []string) ([]*xds.Resource, error) {
	bound, err := address(listen)
	if err != nil {
		return nil, err
	}
	endpoints, err := assignment(upstreams)
	if err != nil {
		return nil, err
	}
	var all []*xds.Resource
	for _, m := range []proto.Message{listener(bound), route(), cluster(), endpoints} {
		r, err := envoyrefs.Resource(m)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

func listener(bound *corev3.Address) *listenerv3.Listener {
	manager := pack(&managerv3.HttpConnectionManager{
		StatPrefix:     listenerName,
		RouteSpecifier: &managerv3.HttpConnectionManager_Rds{Rds: &managerv3.Rds{RouteConfigName: routeName, ConfigSource: ads()}},
		HttpFilters: []*managerv3.HttpFilter{{
			Name: "router", ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: pack(&routerv3.Router{})},
		}},
	})
	return &listenerv3.Listener{
		Name: listenerName, Address: bound,
		FilterChains: []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{{
			Name: "http", ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: manager},
		}}}},
	}
}

func route() *routev3.RouteConfiguration {
	toCluster := &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: clusterName}}
	return &routev3.RouteConfiguration{
		Name: routeName,
		VirtualHosts: []*routev3.VirtualHost{{
			Name: "all", Domains: []string{"*"},
			Routes: []*routev3.Route{{
				Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
				Action: &routev3.Route_Route{Route: toCluster},
			}},
		}},
	}
}

func cluster() *clusterv3.Cluster {
	return &clusterv3.Cluster{
		Name:                 clusterName,
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads()},
	}
}

func assignment(upstreams []string) (*endpointv3.ClusterLoadAssignment, error) {
	locality := &endpointv3.LocalityLbEndpoints{}
	for _, upstream := range upstreams {
		a, err := address(upstream)
		if err != nil {
			return nil, err
		}
		locality.LbEndpoints = append(locality.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: a}},
		})
	}
	return &endpointv3.ClusterLoadAssignment{ClusterName: clusterName, Endpoints: []*endpointv3.LocalityLbEndpoints{locality}}, nil
}

// address returns a host and port, such as 127.0.0.1:80, in Envoy's form.
func address(s string) (*corev3.Address, error) {
	a, err := netip.ParseAddrPort(s)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", s, err)
	}
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address: a.Addr().String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(a.Port())},
	}}}, nil
}

// ads returns the config source for the aggregated stream.
func ads() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ResourceApiVersion:    corev3.ApiVersion_V3,
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
	}
}

// pack packs a message. It cannot fail for the messages of this program.
func pack(m proto.Message) *anypb.Any {
	a, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return a
}
