package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	upstreamhttpv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/upstreams/http/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/internal/ir"
)

// How long an unused connection is kept. It must be shorter than on the other side, or else a request may be sent on
// a connection that is being closed, and fails. Applications often close idle connections after 5 s, web servers
// after 60 s, and sidecars after Envoy's default of an hour.
const (
	localIdleTimeout    = 4 * time.Second
	externalIdleTimeout = 50 * time.Second
	serviceIdleTimeout  = 5 * time.Minute
)

const protocolOptionsKey = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

// protocolOptions returns the HTTP options of an upstream; none for TCP.
func protocolOptions(u ir.Upstream) map[string]*anypb.Any {
	if !u.Protocol.IsHTTP() {
		return nil
	}
	options := httpOptions(u.Protocol.IsHTTP2())
	options.CommonHttpProtocolOptions = &corev3.HttpProtocolOptions{IdleTimeout: durationpb.New(idleTimeout(u.Target.Kind))}
	return map[string]*anypb.Any{protocolOptionsKey: typed(options)}
}

// httpOptions returns the options for HTTP/1 or HTTP/2. HTTP/2 connections are not pinged: a gRPC server closes
// connections that are pinged more often than every five minutes (gRFC A8), and with them their streams.
func httpOptions(http2 bool) *upstreamhttpv3.HttpProtocolOptions {
	explicit := &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig{}
	if http2 {
		explicit.ProtocolConfig = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_Http2ProtocolOptions{
			Http2ProtocolOptions: &corev3.Http2ProtocolOptions{},
		}
	} else {
		explicit.ProtocolConfig = &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_HttpProtocolOptions{
			HttpProtocolOptions: &corev3.Http1ProtocolOptions{},
		}
	}
	return &upstreamhttpv3.HttpProtocolOptions{
		UpstreamProtocolOptions: &upstreamhttpv3.HttpProtocolOptions_ExplicitHttpConfig_{ExplicitHttpConfig: explicit},
	}
}

func idleTimeout(k ir.Kind) time.Duration {
	switch k {
	case ir.Local:
		return localIdleTimeout
	case ir.External:
		return externalIdleTimeout
	default:
		return serviceIdleTimeout
	}
}
