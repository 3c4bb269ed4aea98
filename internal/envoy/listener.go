package envoy

import (
	"net/netip"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tcpproxyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/tcp_proxy/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
)

// listeners returns all listeners of the proxy.
func (e encoder) listeners() []part {
	var all []part
	add := func(name, kind string, from any, origin mesh.Origin, references []xds.Ref, build func() *listenerv3.Listener) {
		all = append(all, part{
			Ref: xds.Ref{Type: xds.ListenerType, Name: name}, origin: origin, kind: kind, from: []any{from},
			build: func() (proto.Message, []xds.Ref) { return build(), references },
		})
	}
	if egress := e.proxy.Egress; egress != nil {
		add(EgressName, "egress", egress.Bind, egress.Origin, routeReference(EgressName),
			func() *listenerv3.Listener { return e.egressListener(*egress) })
	}
	if capture := e.proxy.Capture; capture != nil && e.proxy.Egress != nil {
		add(CaptureName, "capture", *capture, capture.Origin, captureReferences(*capture),
			func() *listenerv3.Listener { return e.captureListener(*capture) })
	}
	for _, t := range e.proxy.Tunnels {
		add(TunnelName(t.Target), "tunnel", t, t.Origin, clusterReference(t.Target),
			func() *listenerv3.Listener { return tunnelListener(t) })
	}
	for _, in := range e.proxy.Ingress {
		add(IngressName(in.Port), "ingress", in, in.Origin, clusterReference(in.Target),
			func() *listenerv3.Listener { return ingressListener(in) })
	}
	if e.proxy.Edge != nil {
		for _, l := range e.proxy.Edge.Listeners {
			add(EdgeListenerName(l.Name), "edge", l, l.Origin, routeReference(EdgeName),
				func() *listenerv3.Listener { return e.edgeListener(l) })
		}
	}
	return all
}

func clusterReference(t ir.Target) []xds.Ref {
	return []xds.Ref{{Type: xds.ClusterType, Name: ClusterName(t)}}
}

func routeReference(name string) []xds.Ref { return []xds.Ref{{Type: xds.RouteType, Name: name}} }

func (e encoder) egressListener(egress ir.Egress) *listenerv3.Listener {
	return sidecarListener(EgressName, egress.Bind, corev3.TrafficDirection_OUTBOUND, e.egressFilter(egress))
}

// egressFilter routes HTTP calls by host, wherever they come in.
func (e encoder) egressFilter(egress ir.Egress) *listenerv3.Filter {
	manager := sidecarManager(EgressName)
	manager.StripTrailingHostDot = true
	// Applications call http://NAME. If the sidecar encrypts for them, HTTP/2 servers expect the scheme https.
	manager.SchemeHeaderTransformation = &corev3.SchemeHeaderTransformation{
		MatchUpstream: true,
	}
	e.setRoutes(manager, egressRoutes(egress))
	return httpFilter(manager)
}

func tunnelListener(t ir.Tunnel) *listenerv3.Listener {
	name := TunnelName(t.Target)
	return sidecarListener(name, t.Bind, corev3.TrafficDirection_OUTBOUND, tcpFilter(name, t.Target))
}

// ingressListener contains its routes: there is one, and it changes only with the listener.
func ingressListener(in ir.Ingress) *listenerv3.Listener {
	name := IngressName(in.Port)
	if in.Protocol == mesh.TCP {
		return sidecarListener(name, in.Bind, corev3.TrafficDirection_INBOUND, tcpFilter(name, in.Target))
	}
	manager := sidecarManager(name)
	manager.HttpProtocolOptions.DefaultHostForHttp_10 = in.Host
	manager.HttpFilters = append([]*hcmv3.HttpFilter{drainingFilter()}, manager.HttpFilters...)
	manager.RouteSpecifier = &hcmv3.HttpConnectionManager_RouteConfig{RouteConfig: ingressRoutes(in)}
	return sidecarListener(name, in.Bind, corev3.TrafficDirection_INBOUND, httpFilter(manager))
}

// sidecarListener returns a listener without SO_REUSEPORT. With it, a second proxy that was started with the same
// ports by mistake would get half of the connections, instead of an error.
func sidecarListener(name string, at netip.AddrPort, direction corev3.TrafficDirection, filter *listenerv3.Filter) *listenerv3.Listener {
	return &listenerv3.Listener{
		Name:             name,
		StatPrefix:       StatName(name),
		Address:          bindAddress(at),
		TrafficDirection: direction,
		EnableReusePort:  wrapperspb.Bool(false),
		FilterChains:     []*listenerv3.FilterChain{{Filters: []*listenerv3.Filter{filter}}},
	}
}

// tcpFilter forwards connections unchanged, without an idle timeout: connections in database pools stay idle for
// hours.
func tcpFilter(name string, to ir.Target) *listenerv3.Filter {
	return filter("envoy.filters.network.tcp_proxy", &tcpproxyv3.TcpProxy{
		StatPrefix:       StatName(name),
		ClusterSpecifier: &tcpproxyv3.TcpProxy_Cluster{Cluster: ClusterName(to)},
		IdleTimeout:      durationpb.New(0),
	})
}
