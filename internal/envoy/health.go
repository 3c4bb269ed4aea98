package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	healthcheckv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/health_check/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// One passed check makes an endpoint healthy, so that a new one gets requests soon. Two failed checks make it
// unhealthy, so that one lost packet has no effect.
const (
	healthyThreshold   = 1
	unhealthyThreshold = 2
)

// healthJitterShare is the percentage of the interval by which the checks of many proxies are spread.
const healthJitterShare = 10

// unhealthyEdgeInterval is the time until an endpoint that has just failed a check is checked again.
const unhealthyEdgeInterval = time.Second

// healthChecks returns the checks that this proxy makes itself. Their interval is the same without traffic: otherwise
// Envoy would check only once per minute, and the first requests could reach dead instances.
func healthChecks(h *ir.Health) []*corev3.HealthCheck {
	if h == nil {
		return nil
	}
	check := &corev3.HealthCheck{
		Timeout:               durationpb.New(h.Timeout),
		Interval:              durationpb.New(h.Interval),
		IntervalJitter:        durationpb.New(h.Interval / healthJitterShare),
		UnhealthyEdgeInterval: durationpb.New(min(h.Interval, unhealthyEdgeInterval)),
		NoTrafficInterval:     durationpb.New(h.Interval),
		HealthyThreshold:      wrapperspb.UInt32(healthyThreshold),
		UnhealthyThreshold:    wrapperspb.UInt32(unhealthyThreshold),
	}
	switch {
	case h.HTTP != "":
		check.HealthChecker = &corev3.HealthCheck_HttpHealthCheck_{HttpHealthCheck: httpHealth(h)}
	case h.GRPC != nil:
		check.HealthChecker = &corev3.HealthCheck_GrpcHealthCheck_{GrpcHealthCheck: &corev3.HealthCheck_GrpcHealthCheck{
			ServiceName: *h.GRPC, Authority: h.Host,
		}}
	default:
		check.HealthChecker = &corev3.HealthCheck_TcpHealthCheck_{TcpHealthCheck: &corev3.HealthCheck_TcpHealthCheck{}}
	}
	return []*corev3.HealthCheck{check}
}

// drainingFilter tells callers that this Envoy is draining, once its admin port was told to fail health checks: it answers
// their health checks itself, with 503, and each other response has the header x-envoy-immediate-health-check-fail. A
// calling Envoy stops sending requests after one of them, without a control plane. Until then the checks reach
// the application.
func drainingFilter() *hcmv3.HttpFilter {
	byEnvoy := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Exact{Exact: "Envoy/HC"}}
	return &hcmv3.HttpFilter{
		Name: "envoy.filters.http.health_check",
		ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: typed(&healthcheckv3.HealthCheck{
			PassThroughMode: wrapperspb.Bool(true),
			Headers: []*routev3.HeaderMatcher{{
				Name: "user-agent", HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: byEnvoy},
			}},
		})},
	}
}

func httpHealth(h *ir.Health) *corev3.HealthCheck_HttpHealthCheck {
	check := &corev3.HealthCheck_HttpHealthCheck{Host: h.Host, Path: h.HTTP}
	if h.HTTP2 {
		check.CodecClientType = typev3.CodecClientType_HTTP2
	}
	return check
}
