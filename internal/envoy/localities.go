package envoy

import (
	"cmp"
	"math"
	"net/netip"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// place is where endpoints are.
type place struct {
	network mesh.NetworkName
	zone    mesh.ZoneName
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.network, q.network), cmp.Compare(p.zone, q.zone))
}

// group is what counts of the endpoints at one place, whoever views them.
type group struct {
	place
	weight  weightSum
	working bool // not all of them are draining
}

func (g *group) add(e ir.Endpoint, status corev3.HealthStatus) {
	g.weight.add(e, status)
	g.working = g.working || status != corev3.HealthStatus_DRAINING
}

// weightSum is the weight of a locality.
type weightSum uint64

func (s *weightSum) add(e ir.Endpoint, status corev3.HealthStatus) {
	if status == corev3.HealthStatus_HEALTHY || status == corev3.HealthStatus_UNKNOWN {
		*s += weightSum(weight(e))
	}
}

func (s weightSum) value() *wrapperspb.UInt32Value {
	return wrapperspb.UInt32(uint32(min(max(s, 1), math.MaxUint32)))
}

// viewed is one locality of an assignment, as a viewer gets it.
type viewed struct {
	group    int                             // index of the group of endpoints in it
	gateways *endpointv3.LocalityLbEndpoints // instead of the endpoints: the gateways of their network, without priority
	network  mesh.NetworkName                // of the gateways
	distance int
	priority uint32
}

// localitiesFor returns the localities that a viewer gets of groups, which are sorted by place. Those of the viewer's
// network come first.
func localitiesFor(viewer ir.Placement, groups []group) []viewed {
	var own, others []viewed
	for i := 0; i < len(groups); i++ {
		network := groups[i].network
		if network == viewer.Network {
			own = append(own, viewed{group: i, distance: viewer.Distance(groups[i].zone)})
			continue
		}
		behind := group{place: groups[i].place}
		for ; i < len(groups) && groups[i].network == network; i++ {
			behind.weight += groups[i].weight
			behind.working = behind.working || groups[i].working
		}
		i--
		if addresses := viewer.Gateways[network]; len(addresses) > 0 && behind.working {
			others = append(others, viewed{gateways: gatewayLocality(behind, addresses), network: network, distance: viewer.DistanceOfNetwork()})
		}
	}
	all := append(own, others...)
	setPriorities(all)
	return all
}

// setPriorities numbers the distances that occur: gRPC clients refuse priorities with gaps.
func setPriorities(all []viewed) {
	var occurring []int
	for _, l := range all {
		occurring = append(occurring, l.distance)
	}
	slices.Sort(occurring)
	occurring = slices.Compact(occurring)
	for i := range all {
		all[i].priority = uint32(slices.Index(occurring, all[i].distance))
	}
}

// gatewayLocality returns the gateways of a network in place of all endpoints behind them. They are one locality,
// whatever the zones of the endpoints, because no address may be in an assignment twice. Callers do not check their
// health: a request for the check of one service says little about the gateway of many.
func gatewayLocality(behind group, addresses []netip.AddrPort) *endpointv3.LocalityLbEndpoints {
	status := corev3.HealthStatus_HEALTHY
	if behind.weight == 0 {
		status = corev3.HealthStatus_UNHEALTHY
	}
	share := weightSum(max(1, uint64(behind.weight)/uint64(len(addresses))))
	l := &endpointv3.LocalityLbEndpoints{
		Locality:            &corev3.Locality{SubZone: "network/" + string(behind.network)},
		LoadBalancingWeight: behind.weight.value(),
	}
	for _, address := range addresses {
		l.LbEndpoints = append(l.LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{
				Address:           tcpAddress(address),
				HealthCheckConfig: &endpointv3.Endpoint_HealthCheckConfig{DisableActiveHealthCheck: true},
			}},
			HealthStatus:        status,
			LoadBalancingWeight: share.value(),
		})
	}
	return l
}
