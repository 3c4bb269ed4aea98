package envoy

import (
	"cmp"
	"maps"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/xds"
)

// Assignment encodes the endpoints of one target, for Envoy and gRPC clients alike. An empty set gives an empty
// assignment, because a cluster finishes warming only when it gets an answer (C056). For endpoints that change, use
// AssignmentEncoder.
//
// Each zone is a locality. Its priority is its distance from the viewer, without gaps, which gRPC clients refuse. The
// endpoints of another network are one locality of that network's gateways.
//
// Draining endpoints stay in the assignment and are marked: Envoy finishes their requests and sends no new ones. gRPC
// clients drop marked endpoints and let their calls finish.
//
// Unhealthy endpoints are marked, too. If no endpoint is healthy, the health check is a more likely cause than the
// endpoints, so they are all UNKNOWN. Otherwise gRPC clients, which drop everything but HEALTHY and UNKNOWN, would
// have no endpoint left (gRFC A27), and Envoy's panic mode would also send requests to draining endpoints.
func Assignment(set ir.EndpointSet) (*xds.Resource, error) {
	name := AssignmentName(set.Target)
	return part{
		Ref:   xds.Ref{Type: xds.EndpointType, Name: name},
		build: func() (proto.Message, []xds.Ref) { return assignment(name, set.Endpoints, set.Placement), nil },
	}.encode()
}

func assignment(name string, endpoints []ir.Endpoint, viewer ir.Placement) *endpointv3.ClusterLoadAssignment {
	endpoints = distinct(endpoints)
	places := map[place][]ir.Endpoint{}
	for _, e := range endpoints {
		at := place{e.Network, e.Zone}
		places[at] = append(places[at], e)
	}
	unhealthy := unhealthyStatus(endpoints)
	var groups []group
	var messages []*endpointv3.LocalityLbEndpoints
	for _, at := range slices.SortedFunc(maps.Keys(places), place.compare) {
		message, g := locality(at, places[at], unhealthy)
		groups, messages = append(groups, g), append(messages, message)
	}
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	for _, l := range localitiesFor(viewer, groups) {
		message := l.gateways
		if message == nil {
			message = messages[l.group]
		}
		message.Priority = l.priority
		cla.Endpoints = append(cla.Endpoints, message)
	}
	return cla
}

// distinct sorts endpoints and keeps one of each address in each network: gRPC clients refuse an assignment that has an
// address twice.
func distinct(endpoints []ir.Endpoint) []ir.Endpoint {
	sorted := slices.SortedFunc(slices.Values(endpoints), compareEndpoints)
	return slices.CompactFunc(sorted, func(a, b ir.Endpoint) bool { return compareSockets(a, b) == 0 })
}

// locality encodes the endpoints at one place. It always sets the locality, even if the zone is unknown, and a weight
// above 0: gRPC clients refuse an endpoint without a locality and ignore a locality of weight 0. Endpoints that get
// no requests do not count for the weight.
func locality(at place, endpoints []ir.Endpoint, unhealthy corev3.HealthStatus) (*endpointv3.LocalityLbEndpoints, group) {
	l := &endpointv3.LocalityLbEndpoints{Locality: LocalityOf(at.zone)}
	g := group{place: at}
	for _, e := range endpoints {
		status := healthStatus(e, unhealthy)
		l.LbEndpoints = append(l.LbEndpoints, lbEndpoint(e, status))
		g.add(e, status)
	}
	l.LoadBalancingWeight = g.weight.value()
	return l, g
}

// unhealthyStatus returns the status of the unhealthy ones among endpoints.
func unhealthyStatus(endpoints []ir.Endpoint) corev3.HealthStatus {
	for _, e := range endpoints {
		if !e.Draining && !e.Unhealthy {
			return corev3.HealthStatus_UNHEALTHY
		}
	}
	return corev3.HealthStatus_UNKNOWN
}

// healthStatus returns the status of e. unhealthy is the status of unhealthy endpoints.
func healthStatus(e ir.Endpoint, unhealthy corev3.HealthStatus) corev3.HealthStatus {
	switch {
	case e.Draining:
		return corev3.HealthStatus_DRAINING
	case e.Unhealthy:
		return unhealthy
	default:
		return corev3.HealthStatus_HEALTHY
	}
}

func lbEndpoint(e ir.Endpoint, status corev3.HealthStatus) *endpointv3.LbEndpoint {
	endpoint := &endpointv3.Endpoint{Address: tcpAddress(e.Address)}
	if e.HealthPort != 0 {
		endpoint.HealthCheckConfig = &endpointv3.Endpoint_HealthCheckConfig{PortValue: uint32(e.HealthPort)}
	}
	return &endpointv3.LbEndpoint{
		HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint},
		HealthStatus:        status,
		LoadBalancingWeight: wrapperspb.UInt32(weight(e)),
	}
}

func weight(e ir.Endpoint) uint32 { return cmp.Or(e.Weight, 1) }
