package envoy

import (
	"fmt"
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	originaldstv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/listener/original_dst/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// captureListener finds the target of a connection by its original destination, which the kernel keeps for redirected
// connections. Only its filter chains depend on what the service calls. So Envoy applies a change of the manifest without
// closing the connections of other chains.
func (e encoder) captureListener(c ir.Capture) *listenerv3.Listener {
	l := sidecarListener(CaptureName, c.Binds[0], corev3.TrafficDirection_OUTBOUND, nil)
	l.FilterChains = nil
	for _, at := range c.Binds[1:] {
		l.AdditionalAddresses = append(l.AdditionalAddresses, &listenerv3.AdditionalAddress{Address: bindAddress(at)})
	}
	l.ListenerFilters = []*listenerv3.ListenerFilter{{
		Name:       "envoy.filters.listener.original_dst",
		ConfigType: &listenerv3.ListenerFilter_TypedConfig{TypedConfig: typed(&originaldstv3.OriginalDst{})},
	}}
	for _, t := range c.Tunnels {
		match := &listenerv3.FilterChainMatch{}
		for _, address := range t.Addresses {
			match.PrefixRanges = append(match.PrefixRanges, &corev3.CidrRange{AddressPrefix: address.String(), PrefixLen: wrapperspb.UInt32(uint32(address.BitLen()))})
		}
		l.FilterChains = append(l.FilterChains, &listenerv3.FilterChain{
			Name: ClusterName(t.Target), FilterChainMatch: match,
			Filters: []*listenerv3.Filter{tcpFilter(TunnelName(t.Target), t.Target)},
		})
	}
	l.DefaultFilterChain = &listenerv3.FilterChain{Name: EgressName, Filters: []*listenerv3.Filter{e.egressFilter(*e.proxy.Egress)}}
	return l
}

// captureReferences returns the clusters of tunnels, sorted by name, without duplicates, and the routes of HTTP calls.
func captureReferences(c ir.Capture) []xds.Ref {
	var clusters []xds.Ref
	for _, t := range c.Tunnels {
		clusters = append(clusters, clusterReference(t.Target)...)
	}
	return append(byName(clusters), routeReference(EgressName)...)
}

// CapturedHosts returns the virtual addresses of all hosts for which a sidecar has the listener for captured connections
// and the routes that are given as they were encoded. Either may be nil.
func CapturedHosts(listener, routes *xds.Resource) (map[string]mesh.Virtual, error) {
	hosts := map[string]mesh.Virtual{}
	if listener == nil {
		return hosts, nil
	}
	var l listenerv3.Listener
	if err := proto.Unmarshal(listener.Body(), &l); err != nil {
		return nil, fmt.Errorf("listener %q: %w", listener.Name(), err)
	}
	var r routev3.RouteConfiguration
	if routes != nil {
		if err := proto.Unmarshal(routes.Body(), &r); err != nil {
			return nil, fmt.Errorf("routes %q: %w", routes.Name(), err)
		}
	}
	for _, host := range r.VirtualHosts {
		for _, domain := range host.Domains {
			if domain != "*" {
				hosts[domain] = mesh.VirtualHTTP()
			}
		}
	}
	for _, chain := range l.FilterChains {
		var v mesh.Virtual
		for _, at := range chain.FilterChainMatch.GetPrefixRanges() {
			switch address, _ := netip.ParseAddr(at.AddressPrefix); {
			case address.Is4():
				v.IPv4 = address
			case address.Is6():
				v.IPv6 = address
			}
		}
		hosts[chain.Name], hosts[chain.Name+"."+mesh.Domain] = v, v
	}
	return hosts, nil
}
