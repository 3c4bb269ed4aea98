package envoy

import (
	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// grpcParts returns the resources of a gRPC program. They have only what the xDS clients of grpc-go, grpc-java,
// grpc-js and grpcio all support: those clients reject a cluster for one field that they do not support, and silently
// ignore others.
func grpcParts(p ir.Proxy) []part {
	var all []part
	add := func(typeURL, name string, from any, origin mesh.Origin, build func() (proto.Message, []xds.Ref)) {
		all = append(all, part{Ref: xds.Ref{Type: typeURL, Name: name}, origin: origin, kind: "grpc", from: []any{from}, build: build})
	}
	for _, u := range p.Upstreams {
		add(xds.ClusterType, ClusterName(u.Target), u, u.Origin,
			func() (proto.Message, []xds.Ref) { return grpcCluster(u), clusterReferences(u) })
		all[len(all)-1].decidedAt = u.DecidedAt
	}
	for _, c := range p.Channels {
		for _, host := range c.Target.Hosts() {
			add(xds.ListenerType, host, c.Target, c.Origin,
				func() (proto.Message, []xds.Ref) { return grpcListener(host, c), routeReference(ChannelName(c.Target)) })
		}
	}
	for _, c := range p.Channels {
		name := ChannelName(c.Target)
		add(xds.RouteType, name, c.Route, c.Origin,
			func() (proto.Message, []xds.Ref) { return grpcRoutes(name, c.Route), clusterReference(c.Route.Target) })
	}
	return all
}

// grpcListener returns an API listener. It has no address: a gRPC program finds it by the name that it dials (gRFC
// A27).
func grpcListener(host string, c ir.Channel) *listenerv3.Listener {
	manager := &hcmv3.HttpConnectionManager{
		RouteSpecifier: discoveredRoutes(ChannelName(c.Target)),
		HttpFilters:    []*hcmv3.HttpFilter{router(&routerv3.Router{})}, // must be there and last (gRFC A39)
	}
	return &listenerv3.Listener{Name: host, ApiListener: &listenerv3.ApiListener{ApiListener: typed(manager)}}
}

// grpcRoutes sends every call of a channel to one cluster, whatever the call's authority is. The timeout is that of
// the stream, because gRPC ignores a route's timeout (gRFC A31).
func grpcRoutes(name string, r ir.Route) *routev3.RouteConfiguration {
	action := &routev3.RouteAction{
		ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: ClusterName(r.Target)},
		RetryPolicy:      grpcRetries(r.Retries),
	}
	if r.Timeout > 0 {
		action.MaxStreamDuration = &routev3.RouteAction_MaxStreamDuration{MaxStreamDuration: durationpb.New(r.Timeout)}
	}
	return &routev3.RouteConfiguration{Name: name, VirtualHosts: []*routev3.VirtualHost{{
		Name:    name,
		Domains: []string{"*"},
		Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{}},
			Action: &routev3.Route_Route{Route: action},
		}},
	}}}
}

// grpcCluster has no health checks and no protocol options, which gRPC ignores, and uses round robin, the only policy
// that all clients support.
func grpcCluster(u ir.Upstream) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name:             ClusterName(u.Target),
		LbPolicy:         clusterv3.Cluster_ROUND_ROBIN,
		CircuitBreakers:  grpcCircuitBreakers(u.Limits),
		OutlierDetection: grpcOutliers(u.Outliers),
	}
	if u.DNS != nil {
		c.ClusterDiscoveryType = &clusterv3.Cluster_Type{Type: clusterv3.Cluster_LOGICAL_DNS}
		c.LoadAssignment = hostAssignment(c.Name, *u.DNS)
		return c
	}
	setDiscovery(c, u.Target)
	return c
}

// grpcCircuitBreakers sets the only limit that gRPC supports (gRFC A32).
func grpcCircuitBreakers(l *ir.Limits) *clusterv3.CircuitBreakers {
	if l == nil {
		return nil
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{{
		MaxRequests: wrapperspb.UInt32(uint32(l.Requests)),
	}}}
}

// grpcOutlierPercent is the percentage of failed calls at which an endpoint is ejected. gRPC uses percentages and not
// consecutive errors (gRFC A50).
const grpcOutlierPercent = 85

// grpcOutliers ejects an endpoint if most of its calls in an interval fail, and if there were at least as many calls
// as the setting allows errors.
func grpcOutliers(o *ir.Outliers) *clusterv3.OutlierDetection {
	if o == nil {
		return nil
	}
	return &clusterv3.OutlierDetection{
		Interval:                       durationpb.New(o.Interval),
		BaseEjectionTime:               durationpb.New(o.EjectFor),
		MaxEjectionTime:                durationpb.New(max(o.EjectFor, maxEjection)),
		MaxEjectionPercent:             wrapperspb.UInt32(uint32(o.MaxEjectedPercent)),
		EnforcingSuccessRate:           wrapperspb.UInt32(0),
		EnforcingFailurePercentage:     wrapperspb.UInt32(100),
		FailurePercentageThreshold:     wrapperspb.UInt32(grpcOutlierPercent),
		FailurePercentageMinimumHosts:  wrapperspb.UInt32(2),
		FailurePercentageRequestVolume: wrapperspb.UInt32(uint32(o.ConsecutiveErrors)),
	}
}
