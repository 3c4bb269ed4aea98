package envoy

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// Assignment encodes the endpoints of one target, for Envoy and gRPC clients alike. An empty set gives an empty
// assignment, because a cluster finishes warming only when it gets an answer (C056). For endpoints that change, use
// AssignmentEncoder.
//
// All zones have one priority. Draining endpoints stay in the assignment and are marked: Envoy finishes their
// requests and sends no new ones. gRPC clients drop marked endpoints and let their calls finish.
//
// Unhealthy endpoints are marked, too. If no endpoint is healthy, the health check is a more likely cause than the
// endpoints, so they are all UNKNOWN. Otherwise gRPC clients, which drop everything but HEALTHY and UNKNOWN, would
// have no endpoint left (gRFC A27), and Envoy's panic mode would also send requests to draining endpoints.
func Assignment(set ir.EndpointSet) (*xds.Resource, error) {
	name := AssignmentName(set.Target)
	return part{
		Ref:   xds.Ref{Type: xds.EndpointType, Name: name},
		build: func() (proto.Message, []xds.Ref) { return assignment(name, set.Endpoints), nil },
	}.encode()
}

func assignment(name string, endpoints []ir.Endpoint) *endpointv3.ClusterLoadAssignment {
	endpoints = distinct(endpoints)
	zones := map[mesh.ZoneName][]ir.Endpoint{}
	for _, e := range endpoints {
		zones[e.Zone] = append(zones[e.Zone], e)
	}
	unhealthy := unhealthyStatus(endpoints)
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		cla.Endpoints = append(cla.Endpoints, locality(zone, zones[zone], unhealthy))
	}
	return cla
}

// distinct sorts endpoints and keeps one of each address: gRPC clients refuse an assignment that has an address twice.
func distinct(endpoints []ir.Endpoint) []ir.Endpoint {
	sorted := slices.SortedFunc(slices.Values(endpoints), compareEndpoints)
	return slices.CompactFunc(sorted, func(a, b ir.Endpoint) bool { return a.Address == b.Address })
}

// locality encodes the endpoints of one zone. It always sets the locality, even if the zone is unknown, and a weight
// above 0: gRPC clients refuse an endpoint without a locality and ignore a locality of weight 0. Endpoints that get
// no requests do not count for the weight.
func locality(zone mesh.ZoneName, endpoints []ir.Endpoint, unhealthy corev3.HealthStatus) *endpointv3.LocalityLbEndpoints {
	l := &endpointv3.LocalityLbEndpoints{Locality: LocalityOf(zone)}
	var total weightSum
	for _, e := range endpoints {
		status := healthStatus(e, unhealthy)
		l.LbEndpoints = append(l.LbEndpoints, lbEndpoint(e, status))
		total.add(e, status)
	}
	l.LoadBalancingWeight = total.value()
	return l
}

// weightSum returns the weight of a locality.
type weightSum uint64

func (s *weightSum) add(e ir.Endpoint, status corev3.HealthStatus) {
	if status == corev3.HealthStatus_HEALTHY || status == corev3.HealthStatus_UNKNOWN {
		*s += weightSum(weight(e))
	}
}

func (s weightSum) value() *wrapperspb.UInt32Value {
	return wrapperspb.UInt32(uint32(min(max(s, 1), math.MaxUint32)))
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
