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

// How often a DNS name is looked up: as its TTL says, but not more often than each second, and after a failure
// soon again.
const (
	dnsRefresh        = 30 * time.Second // where the answer has no TTL
	dnsMinRefresh     = time.Second
	dnsFailureRefresh = time.Second
	dnsMaxFailure     = 10 * time.Second
)

// setEndpoints says where c finds its endpoints.
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

// setDiscovery has endpoints come by EDS. The name of the assignment is always set: gRPC clients and
// Envoy fall back to the cluster's name, and the two need not stay equal.
func setDiscovery(c *clusterv3.Cluster, t ir.Target) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS}
	c.EdsClusterConfig = &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ADS(), ServiceName: AssignmentName(t)}
}

func setAddresses(c *clusterv3.Cluster, endpoints []ir.Endpoint) {
	c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_STATIC}
	c.LoadAssignment = assignment(c.Name, endpoints)
}

func addressEndpoints(u ir.Upstream) []ir.Endpoint {
	var all []ir.Endpoint
	for _, a := range u.Addresses {
		all = append(all, ir.Endpoint{Address: a})
	}
	return all
}

// setDNS has every address that the name resolves to as an endpoint. IPv4 addresses are preferred: a host
// without IPv6 may well get IPv6 answers.
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

// hostAssignment is a DNS name in the place of an endpoint's address.
func hostAssignment(name string, at ir.HostPort) *endpointv3.ClusterLoadAssignment {
	endpoint := &endpointv3.Endpoint{Address: hostAddress(at.Host, uint16(at.Port))}
	return &endpointv3.ClusterLoadAssignment{
		ClusterName: name,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{
			LbEndpoints: []*endpointv3.LbEndpoint{{HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint}}},
		}},
	}
}
