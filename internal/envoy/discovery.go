package envoy

import (
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	commondnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/common/dns/v3"
	dnsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/clusters/dns/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// How often a DNS name is resolved: by its TTL, at most once per second, and sooner after a failure.
const (
	dnsRefresh        = 30 * time.Second // where the answer has no TTL
	dnsMinRefresh     = time.Second
	dnsFailureRefresh = time.Second
	dnsMaxFailure     = 10 * time.Second
)

// setEndpoints sets where c gets its endpoints.
func (e encoder) setEndpoints(c *clusterv3.Cluster, u ir.Upstream) {
	switch {
	case u.DNS != nil:
		setDNS(c, *u.DNS)
	case len(u.Addresses) > 0:
		setAddresses(c, addressEndpoints(u))
	case e.endpoints != nil:
		setAddresses(c, e.endpoints[u.Target])
	default:
		setDiscovery(c, u.Target)
	}
}

// setDiscovery makes the cluster use EDS. It always sets the name of the assignment: gRPC clients and Envoy fall back
// to the cluster's name, which may become a different one.
func setDiscovery(c *clusterv3.Cluster, t ir.Target) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
	c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ADS(), ServiceName: AssignmentName(t)}
}

func setAddresses(c *clusterv3.Cluster, set ir.EndpointSet) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.LoadAssignment = assignment(c.Name, set.Endpoints, set.Placement)
}

func addressEndpoints(u ir.Upstream) (set ir.EndpointSet) {
	for _, a := range u.Addresses {
		set.Endpoints = append(set.Endpoints, ir.Endpoint{Address: a})
	}
	return set
}

// setDNS makes every address of a DNS name an endpoint. It prefers IPv4 addresses, because a host without IPv6
// connectivity may still resolve IPv6 addresses.
func setDNS(c *clusterv3.Cluster, at ir.HostPort) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
		Name: "envoy.cluster.dns",
		TypedConfig: typed(&dnsv3.DnsCluster{
			DnsRefreshRate:    durationpb.New(dnsRefresh),
			RespectDnsTtl:     true,
			DnsMinRefreshRate: durationpb.New(dnsMinRefresh),
			DnsFailureRefreshRate: &dnsv3.DnsCluster_RefreshRate{
				BaseInterval: durationpb.New(dnsFailureRefresh),
				MaxInterval:  durationpb.New(dnsMaxFailure),
			},
			DnsLookupFamily: commondnsv3.DnsLookupFamily_V4_PREFERRED,
		}),
	}}
	c.LoadAssignment = hostAssignment(c.Name, at)
}

// hostAssignment returns an assignment whose endpoint is a DNS name.
func hostAssignment(name string, at ir.HostPort) *endpointv3.ClusterLoadAssignment {
	endpoint := &endpointv3.Endpoint{Address: hostAddress(at.Host, uint16(at.Port))}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint}}},
		}},
	}
}
