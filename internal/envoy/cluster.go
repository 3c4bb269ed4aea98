package envoy

import (
	"math"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// panicPercent is the share of healthy endpoints below which Envoy ignores health and sends to all endpoints. With
// Envoy's default of 50, a third of the requests would go to dead instances when one of three is left. Below 1 % no
// endpoint is healthy: then a wrong health check is as likely as the death of all instances, and trying costs
// nothing.
const panicPercent = 1

// TCP keepalive detects dead connections whose streams are idle for a long time.
const (
	keepaliveIdle     = 60 // seconds
	keepaliveInterval = 10 // seconds
	keepaliveProbes   = 3
)

// clusters returns all clusters of the proxy.
func (e encoder) clusters() []part {
	kind := "sidecar"
	if e.proxy.Edge != nil {
		kind = "edge"
	}
	all := make([]part, 0, len(e.proxy.Upstreams))
	for _, u := range e.proxy.Upstreams {
		all = append(all, part{
			Ref: xds.Ref{Type: xds.ClusterType, Name: ClusterName(u.Target)}, origin: u.Origin, decidedAt: u.DecidedAt, kind: kind, from: []any{u},
			build: func() (proto.Message, []xds.Ref) { return e.cluster(u), clusterReferences(u) },
		})
	}
	return all
}

// clusterReferences returns the assignment of a cluster that uses EDS.
//
// Secrets are no references, of clusters or of listeners: Envoy itself waits for the secrets of a new one and keeps the
// old one meanwhile. What refers to a cluster must not be withheld because a file is missing on the proxy's host.
func clusterReferences(u ir.Upstream) []xds.Ref {
	if u.DNS != nil || len(u.Addresses) > 0 {
		return nil
	}
	return []xds.Ref{{Type: xds.EndpointType, Name: AssignmentName(u.Target)}}
}

func (e encoder) cluster(u ir.Upstream) *clusterv3.Cluster {
	c := &clusterv3.Cluster{
		Name:                          ClusterName(u.Target),
		ConnectTimeout:                durationpb.New(u.ConnectTimeout),
		LbPolicy:                      clusterv3.Cluster_LEAST_REQUEST,
		CircuitBreakers:               circuitBreakers(u.Limits),
		HealthChecks:                  healthChecks(u.Health),
		OutlierDetection:              envoyOutliers(u.Outliers),
		TypedExtensionProtocolOptions: protocolOptions(u),
		TransportSocket:               e.upstreamTLS(u),
		CommonLbConfig: &clusterv3.Cluster_CommonLbConfig{
			HealthyPanicThreshold: &typev3.Percent{Value: panicPercent},
			// An endpoint that starts to drain is avoided immediately, not at the end of Envoy's update window of 1
			// s.
			UpdateMergeWindow: durationpb.New(0),
		},
		// An endpoint that was removed from the registry leaves immediately. Its requests in flight finish.
		IgnoreHealthOnHostRemoval: true,
	}
	if stat := StatName(c.Name); stat != c.Name {
		c.AltStatName = stat
	}
	if u.Protocol == mesh.TCP || u.Protocol.IsHTTP2() && u.Target.Kind != ir.Local {
		c.UpstreamConnectionOptions = tcpKeepalive()
	}
	if u.SlowStart > 0 {
		c.LbConfig = slowStart(u.SlowStart)
	}
	if e.proxy.Edge != nil {
		c.PerConnectionBufferLimitBytes = wrapperspb.UInt32(edgeBufferBytes)
	}
	e.setEndpoints(c, u)
	return c
}

// slowStart increases the share of a new endpoint linearly over a window, from Envoy's own minimum of 10 %.
func slowStart(window time.Duration) *clusterv3.Cluster_LeastRequestLbConfig_ {
	return &clusterv3.Cluster_LeastRequestLbConfig_{LeastRequestLbConfig: &clusterv3.Cluster_LeastRequestLbConfig{
		SlowStartConfig: &clusterv3.Cluster_SlowStartConfig{SlowStartWindow: durationpb.New(window)},
	}}
}

func tcpKeepalive() *clusterv3.UpstreamConnectionOptions {
	return &clusterv3.UpstreamConnectionOptions{TcpKeepalive: &corev3.TcpKeepalive{
		KeepaliveTime:     wrapperspb.UInt32(keepaliveIdle),
		KeepaliveInterval: wrapperspb.UInt32(keepaliveInterval),
		KeepaliveProbes:   wrapperspb.UInt32(keepaliveProbes),
	}}
}

// circuitBreakers limits what is in flight. Without limits in the documents, Envoy's own limit of 1024 must be
// raised.
func circuitBreakers(l *ir.Limits) *clusterv3.CircuitBreakers {
	if l == nil {
		l = &ir.Limits{Connections: math.MaxInt32, PendingRequests: math.MaxInt32, Requests: math.MaxInt32, Retries: math.MaxInt32}
	}
	t := &clusterv3.CircuitBreakers_Thresholds{
		MaxConnections:     wrapperspb.UInt32(uint32(l.Connections)),
		MaxPendingRequests: wrapperspb.UInt32(uint32(l.PendingRequests)),
		MaxRequests:        wrapperspb.UInt32(uint32(l.Requests)),
	}
	if l.Retries == ir.RetryBudget {
		t.RetryBudget = &clusterv3.CircuitBreakers_Thresholds_RetryBudget{
			BudgetPercent:       &typev3.Percent{Value: retryBudgetPercent},
			BudgetInterval:      durationpb.New(retryBudgetInterval),
			MinRetryConcurrency: wrapperspb.UInt32(minRetries),
		}
	} else {
		t.MaxRetries = wrapperspb.UInt32(uint32(l.Retries))
	}
	return &clusterv3.CircuitBreakers{Thresholds: []*clusterv3.CircuitBreakers_Thresholds{t}}
}

// The retry budget limits retries to a share of the requests of the last second. A fixed number does not fit all
// services: when a host dies silently, all its requests are retried at about the same time, and Envoy's 3 at once are
// too few for a busy service. A share of the active requests, Envoy's default, does not fit either: a retry that meets
// another dead host lasts for a connect timeout, and other requests are answered within milliseconds. With 20 %, at most
// about a fifth of the requests to an overloaded service are retries. A share of few requests allows hardly any retry,
// so a quiet service gets 10 at once, which is a small load.
const (
	retryBudgetPercent  = 20
	retryBudgetInterval = time.Second
	minRetries          = 10
)

// envoyOutliers ejects an endpoint after a number of consecutive errors. Errors in responses and connection errors
// are counted separately, so a killed instance is ejected after a few refused connections. A passed health check does
// not end an ejection, since an instance can pass its check and fail its requests.
func envoyOutliers(o *ir.Outliers) *clusterv3.OutlierDetection {
	if o == nil {
		return nil
	}
	return &clusterv3.OutlierDetection{
		Consecutive_5Xx:                        wrapperspb.UInt32(uint32(o.ConsecutiveErrors)),
		SplitExternalLocalOriginErrors:         true,
		ConsecutiveLocalOriginFailure:          wrapperspb.UInt32(uint32(o.ConsecutiveErrors)),
		Interval:                               durationpb.New(o.Interval),
		BaseEjectionTime:                       durationpb.New(o.EjectFor),
		MaxEjectionTime:                        durationpb.New(max(o.EjectFor, maxEjection)),
		MaxEjectionPercent:                     wrapperspb.UInt32(uint32(o.MaxEjectedPercent)),
		AlwaysEjectOneHost:                     wrapperspb.Bool(true),
		SuccessfulActiveHealthCheckUnejectHost: wrapperspb.Bool(false),
		EnforcingSuccessRate:                   wrapperspb.UInt32(0),
		EnforcingLocalOriginSuccessRate:        wrapperspb.UInt32(0),
	}
}

// maxEjection limits how long an endpoint that fails repeatedly is ejected.
const maxEjection = 5 * time.Minute
