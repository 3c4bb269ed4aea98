package xdstest

import (
	"strings"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/proto"
)

// The type URLs whose resources have rules of their own.
const (
	prefix       = "type.googleapis.com/"
	clusterType  = prefix + "envoy.config.cluster.v3.Cluster"
	endpointType = prefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
	listenerType = prefix + "envoy.config.listener.v3.Listener"
	routeType    = prefix + "envoy.config.route.v3.RouteConfiguration"
	hostType     = prefix + "envoy.config.route.v3.VirtualHost"
	secretType   = prefix + "envoy.extensions.transport_sockets.tls.v3.Secret"
	filterType   = prefix + "envoy.config.core.v3.TypedExtensionConfig"
)

// services are the xDS services by the last part of their name, with the type that their requests
// may leave out (C004).
var services = map[string]string{
	"AggregatedDiscoveryService":      "",
	"ListenerDiscoveryService":        listenerType,
	"RouteDiscoveryService":           routeType,
	"ScopedRoutesDiscoveryService":    prefix + "envoy.config.route.v3.ScopedRouteConfiguration",
	"VirtualHostDiscoveryService":     hostType,
	"ClusterDiscoveryService":         clusterType,
	"EndpointDiscoveryService":        endpointType,
	"SecretDiscoveryService":          secretType,
	"RuntimeDiscoveryService":         prefix + "envoy.service.runtime.v3.Runtime",
	"ExtensionConfigDiscoveryService": filterType,
}

func serviceAndCall(method string) (service, call string) {
	service, call, _ = strings.Cut(strings.TrimPrefix(method, "/"), "/")
	return service[strings.LastIndexByte(service, '.')+1:], call
}

func typeOf(method string) string {
	service, _ := serviceAndCall(method)
	return services[service]
}

// decoderOf returns how the messages of a method are read, nil if it is not an xDS stream.
func decoderOf(method string) func(*Message, []byte) error {
	service, call := serviceAndCall(method)
	if _, ok := services[service]; !ok {
		return nil
	}
	switch {
	case strings.HasPrefix(call, "Delta"):
		return decodeDelta
	case strings.HasPrefix(call, "Stream"):
		return decodeSotW
	}
	return nil
}

// holdsAll reports whether a state-of-the-world response of the type holds everything that is
// subscribed, so that absence means removal (C052, C054).
func holdsAll(typeURL string) bool { return typeURL == clusterType || typeURL == listenerType }

func decodeSotW(m *Message, body []byte) error {
	if m.FromClient {
		var r discoveryv3.DiscoveryRequest
		err := proto.Unmarshal(body, &r)
		m.fillRequest(&r)
		return err
	}
	var r discoveryv3.DiscoveryResponse
	if err := proto.Unmarshal(body, &r); err != nil {
		return err
	}
	return m.fillResponse(&r)
}

func decodeDelta(m *Message, body []byte) error {
	if m.FromClient {
		var r discoveryv3.DeltaDiscoveryRequest
		err := proto.Unmarshal(body, &r)
		m.fillDeltaRequest(&r)
		return err
	}
	var r discoveryv3.DeltaDiscoveryResponse
	err := proto.Unmarshal(body, &r)
	m.fillDeltaResponse(&r)
	return err
}
