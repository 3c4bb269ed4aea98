package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// Limits of an edge, whose clients are not trusted. They follow Envoy's guide for edge proxies, except for its time
// limit on whole requests, which would cut off long uploads and gRPC streams.
const (
	edgeBufferBytes       = 32 << 10 // per connection, on either side
	edgeStreams           = 100      // at once on one HTTP/2 connection
	edgeStreamWindowBytes = 64 << 10
	edgeWindowBytes       = 1 << 20
	edgeHeadersTimeout    = 10 * time.Second // until a request's headers are complete
	edgeStreamIdleTimeout = 5 * time.Minute
)

func (e encoder) edgeListener(l ir.EdgeListener) *listenerv3.Listener {
	name := EdgeListenerName(l.Name)
	manager := edgeManager(name)
	if e.proxy.Edge.Gateway {
		manager = sidecarManager(name)
	}
	e.setRoutes(manager, edgeRoutes(*e.proxy.Edge))
	return &listenerv3.Listener{
		Name:                          name,
		StatPrefix:                    StatName(name),
		Address:                       bindAddress(l.Bind),
		TrafficDirection:              corev3.TrafficDirection_INBOUND,
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(edgeBufferBytes),
		FilterChains: []*listenerv3.FilterChain{{
			Filters:         []*listenerv3.Filter{httpFilter(manager)},
			TransportSocket: e.downstreamTLS(l),
		}},
	}
}

// edgeManager handles HTTP from outside. It takes the client's address from the connection, removes x-envoy headers,
// normalizes paths before they are matched, and rejects header names that differ only in '_' and '-'.
func edgeManager(name string) *hcmv3.HttpConnectionManager {
	return &hcmv3.HttpConnectionManager{
		StatPrefix:                   StatName(name),
		HttpFilters:                  []*hcmv3.HttpFilter{router(&routerv3.Router{SuppressEnvoyHeaders: true})},
		UseRemoteAddress:             wrapperspb.Bool(true),
		ServerName:                   "doyen",
		StripTrailingHostDot:         true,
		NormalizePath:                wrapperspb.Bool(true),
		MergeSlashes:                 true,
		PathWithEscapedSlashesAction: hcmv3.HttpConnectionManager_UNESCAPE_AND_REDIRECT,
		RequestHeadersTimeout:        durationpb.New(edgeHeadersTimeout),
		StreamIdleTimeout:            durationpb.New(edgeStreamIdleTimeout),
		UpgradeConfigs:               []*hcmv3.HttpConnectionManager_UpgradeConfig{{UpgradeType: "websocket"}},
		HttpProtocolOptions:          http1Options(),
		CommonHttpProtocolOptions: &corev3.HttpProtocolOptions{
			HeadersWithUnderscoresAction: corev3.HttpProtocolOptions_REJECT_REQUEST,
			MaxConnectionDuration:        durationpb.New(longestConnection),
		},
		Http1SafeMaxConnectionDuration: true,
		Http2ProtocolOptions: &corev3.Http2ProtocolOptions{
			MaxConcurrentStreams:        wrapperspb.UInt32(edgeStreams),
			InitialStreamWindowSize:     wrapperspb.UInt32(edgeStreamWindowBytes),
			InitialConnectionWindowSize: wrapperspb.UInt32(edgeWindowBytes),
		},
	}
}
