package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
)

// sidecarManager handles HTTP on a sidecar, which must be transparent. It adds nothing to x-forwarded-for, keeps
// request IDs and the application's server header, allows WebSockets, and has no idle timeout for streams, since the
// edge and the application already have theirs.
func sidecarManager(name string) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		CommonHttpProtocolOptions:      &corev3.HttpProtocolOptions{MaxConnectionDuration: durationpb.New(longestConnection)},
		Http1SafeMaxConnectionDuration: true,
		StatPrefix:                     StatName(name),
		HttpFilters:                    []*hcmv3.HttpFilter{router(&routerv3.Router{})},
		StreamIdleTimeout:              durationpb.New(0),
		ServerHeaderTransformation:     hcmv3.HttpConnectionManager_PASS_THROUGH,
		UpgradeConfigs:                 []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		HttpProtocolOptions:            http1Options(),
	}
}

// longestConnection is how long a connection may last: as good as for ever. Envoy sends a GOAWAY when it is over, also on a
// connection on which nothing happens, and its bootstrap says how the agent makes it be over (see bootstrap.Options.DrainFile).
const longestConnection = 365 * 24 * time.Hour

// http1Options accepts HTTP/1.0, which old load balancers and their health checks use. By default Envoy answers it
// with 426.
func http1Options() *corev3.Http1ProtocolOptions {
	return &corev3.Http1ProtocolOptions{AcceptHttp_10: true}
}

// setRoutes makes manager find its routes by discovery, or puts them into it for a static file.
func (e encoder) setRoutes(manager *hcmv3.HttpConnectionManager, routes *routev3.RouteConfiguration) {
	if e.inline {
		manager.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: routes}
		return
	}
	manager.RouteSpecifier = discoveredRoutes(routes.Name)
}

// discoveredRoutes refers to a route configuration on the stream from which the listener came.
func discoveredRoutes(name string) *hcmv3.HttpConnectionManager_Rds {
	return &hcmv3.HttpConnectionManager_Rds{Rds: &hcmv3.Rds{RouteConfigName: name, ConfigSource: ADS()}}
}

// router returns the filter with which every list of HTTP filters must end.
func router(config *routerv3.Router) *hcmv3.HttpFilter {
	return &hcmv3.HttpFilter{
		Name:       "envoy.filters.http.router",
		ConfigType: &hcmv3.HttpFilter_TypedConfig{TypedConfig: typed(config)},
	}
}

func httpFilter(manager *hcmv3.HttpConnectionManager) *listenerv3.Filter {
	return filter("envoy.filters.network.http_connection_manager", manager)
}

func filter(name string, config proto.Message) *listenerv3.Filter {
	return &listenerv3.Filter{Name: name, ConfigType: &listenerv3.Filter_TypedConfig{TypedConfig: typed(config)}}
}
