package xdsmetrics

import (
	"context"
	"strings"

	"google.golang.org/grpc/stats"
)

// StatsHandler returns a handler that counts the bytes of xDS streams, for grpc.StatsHandler. Calls of other
// services are passed over.
func (m *Metrics) StatsHandler() stats.Handler { return byteCounter{m} }

type byteCounter struct{ metrics *Metrics }

// methodKey is the key of the method's name in the context of its call.
type methodKey struct{}

// services are the names that StreamInfo.Method has for services, by their full names.
var services = map[string]string{
	"envoy.service.discovery.v3.AggregatedDiscoveryService":      "ads",
	"envoy.service.cluster.v3.ClusterDiscoveryService":           "cds",
	"envoy.service.endpoint.v3.EndpointDiscoveryService":         "eds",
	"envoy.service.listener.v3.ListenerDiscoveryService":         "lds",
	"envoy.service.route.v3.ScopedRoutesDiscoveryService":        "srds",
	"envoy.service.route.v3.RouteDiscoveryService":               "rds",
	"envoy.service.route.v3.VirtualHostDiscoveryService":         "vhds",
	"envoy.service.secret.v3.SecretDiscoveryService":             "sds",
	"envoy.service.runtime.v3.RuntimeDiscoveryService":           "rtds",
	"envoy.service.extension.v3.ExtensionConfigDiscoveryService": "ecds",
}

// methodOf is a method as StreamInfo.Method has it, "" for one that is not of xDS.
func methodOf(full string) string {
	service, method, _ := strings.Cut(strings.TrimPrefix(full, "/"), "/")
	name := services[service]
	switch {
	case name == "":
		return ""
	case strings.HasPrefix(method, "Delta"):
		return "delta-" + name
	}
	return "sotw-" + name
}

// TagRPC implements stats.Handler.
func (b byteCounter) TagRPC(ctx context.Context, info *stats.RPCTagInfo) context.Context {
	if method := methodOf(info.FullMethodName); method != "" {
		return context.WithValue(ctx, methodKey{}, method)
	}
	return ctx
}

// HandleRPC implements stats.Handler.
func (b byteCounter) HandleRPC(ctx context.Context, s stats.RPCStats) {
	method, ok := ctx.Value(methodKey{}).(string)
	if !ok {
		return
	}
	switch payload := s.(type) {
	case *stats.OutPayload:
		b.metrics.sentBytes.WithLabelValues(method).Add(float64(payload.WireLength))
	case *stats.InPayload:
		b.metrics.receivedBytes.WithLabelValues(method).Add(float64(payload.WireLength))
	}
}

// TagConn implements stats.Handler.
func (b byteCounter) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }

// HandleConn implements stats.Handler.
func (b byteCounter) HandleConn(context.Context, stats.ConnStats) {}
