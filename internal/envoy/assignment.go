package envoy

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// Assignment encodes the endpoints of one target, for Envoy and gRPC clients alike. Of an empty set it
// makes an empty assignment and never silence: a cluster is warmed only by an answer (C056).
//
// All zones have one priority. Draining endpoints stay in it, marked: requests that they already have
// are finished, and no new ones come. gRPC clients drop marked endpoints and let their calls end.
func Assignment(set ir.EndpointSet) (*xds.Resource, error) {
	name := AssignmentName(set.Target)
	r, err := newResource(xds.EndpointType, name, assignment(name, set.Endpoints), mesh.Origin{})
	return r.Resource, err
}

func assignment(name string, endpoints []ir.Endpoint) *endpointv3.ClusterLoadAssignment {
	zones := map[mesh.ZoneName][]ir.Endpoint{}
	for _, e := range distinct(endpoints) {
		zones[e.Zone] = append(zones[e.Zone], e)
	}
	cla := &endpointv3.ClusterLoadAssignment{ClusterName: name}
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		cla.Endpoints = append(cla.Endpoints, locality(zone, zones[zone]))
	}
	return cla
}

// distinct sorts endpoints by address and leaves one of each: gRPC clients refuse an assignment that
// has an address twice.
func distinct(endpoints []ir.Endpoint) []ir.Endpoint {
	sorted := slices.Clone(endpoints)
	slices.SortStableFunc(sorted, func(a, b ir.Endpoint) int { return a.Address.Compare(b.Address) })
	return slices.CompactFunc(sorted, func(a, b ir.Endpoint) bool { return a.Address == b.Address })
}

// locality is the endpoints of one zone. The locality is always set, even where no zone is known, and its
// weight is never 0: gRPC clients refuse the one and ignore the other. Draining endpoints take no share.
func locality(zone mesh.ZoneName, endpoints []ir.Endpoint) *endpointv3.LocalityLbEndpoints {
	l := &endpointv3.LocalityLbEndpoints{Locality: &corev3.Locality{Zone: string(zone)}}
	var sum uint64
	for _, e := range endpoints {
		l.LbEndpoints = append(l.LbEndpoints, lbEndpoint(e))
		if !e.Draining {
			sum += uint64(weight(e))
		}
	}
	l.LoadBalancingWeight = wrapperspb.UInt32(uint32(min(max(sum, 1), math.MaxUint32)))
	return l
}

func lbEndpoint(e ir.Endpoint) *endpointv3.LbEndpoint {
	endpoint := &endpointv3.Endpoint{Address: tcpAddress(e.Address)}
	if e.HealthPort != 0 {
		endpoint.HealthCheckConfig = &endpointv3.Endpoint_HealthCheckConfig{PortValue: uint32(e.HealthPort)}
	}
	lb := &endpointv3.LbEndpoint{
		HostIdentifier:      &endpointv3.LbEndpoint_Endpoint{Endpoint: endpoint},
		HealthStatus:        corev3.HealthStatus_HEALTHY,
		LoadBalancingWeight: wrapperspb.UInt32(weight(e)),
	}
	if e.Draining {
		lb.HealthStatus = corev3.HealthStatus_DRAINING
	}
	return lb
}

func weight(e ir.Endpoint) uint32 { return cmp.Or(e.Weight, 1) }
