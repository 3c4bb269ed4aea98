package envoy

import (
	"net/netip"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// serverConnectTimeout is how long a proxy tries to connect to the doyen server before it tries again.
const serverConnectTimeout = 5 * time.Second

// HTTP/2 pings on the connection to the server detect a dead host before TCP does.
const (
	serverPingInterval = 30 * time.Second
	serverPingTimeout  = 5 * time.Second
)

// ServerCluster returns the cluster that leads to the doyen server, whose host is a DNS name or an IP address. It is
// part of the bootstrap. Pings detect that the server's host is gone. No request would, because the stream can be
// idle for hours.
func ServerCluster(host string, port int) *clusterv3.Cluster {
	c := serverCluster()
	if address, err := netip.ParseAddr(host); err == nil {
		setAddresses(c, ir.EndpointSet{Endpoints: []ir.Endpoint{{Address: netip.AddrPortFrom(address, uint16(port))}}})
	} else {
		setDNS(c, ir.HostPort{Host: host, Port: port})
	}
	return c
}

// RelayCluster returns the cluster that leads to the relay on the same host, which takes the place of the server, at
// a Unix domain socket.
func RelayCluster(socket string) *clusterv3.Cluster {
	c := serverCluster()
	address := &corev3.Address{Address: &corev3.Address_Pipe{Pipe: &corev3.Pipe{Path: socket}}}
	c.LoadAssignment = &endpointv3.ClusterLoadAssignment{
		ClusterName: ServerClusterName,
		Endpoints: []*endpointv3.LocalityLbEndpoints{{LbEndpoints: []*endpointv3.LbEndpoint{{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: address}},
		}}}},
	}
	return c
}

func serverCluster() *clusterv3.Cluster {
	options := httpOptions(true)
	options.GetExplicitHttpConfig().GetHttp2ProtocolOptions().ConnectionKeepalive = &corev3.KeepaliveSettings{
		Interval: durationpb.New(serverPingInterval),
		Timeout:  durationpb.New(serverPingTimeout),
	}
	return &clusterv3.Cluster{
		Name:                          ServerClusterName,
		AltStatName:                   StatName(ServerClusterName),
		ConnectTimeout:                durationpb.New(serverConnectTimeout),
		TypedExtensionProtocolOptions: map[string]*anypb.Any{protocolOptionsKey: typed(options)},
	}
}

// ADS returns the config source for the aggregated stream.
func ADS() *corev3.ConfigSource {
	return &corev3.ConfigSource{
		ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}},
		ResourceApiVersion:    corev3.ApiVersion_V3,
	}
}
