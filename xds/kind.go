package xds

import (
	"slices"
	"strings"
)

// typePrefix begins the type URLs of everything that is sent (C017).
const typePrefix = "type.googleapis.com/"

// The types with a service of their own.
const (
	ClusterType            = typePrefix + "envoy.config.cluster.v3.Cluster"
	EndpointType           = typePrefix + "envoy.config.endpoint.v3.ClusterLoadAssignment"
	ListenerType           = typePrefix + "envoy.config.listener.v3.Listener"
	ScopedRouteType        = typePrefix + "envoy.config.route.v3.ScopedRouteConfiguration"
	RouteType              = typePrefix + "envoy.config.route.v3.RouteConfiguration"
	VirtualHostType        = typePrefix + "envoy.config.route.v3.VirtualHost"
	SecretType             = typePrefix + "envoy.extensions.transport_sockets.tls.v3.Secret"
	RuntimeType            = typePrefix + "envoy.service.runtime.v3.Runtime"
	ExtensionConfigType    = typePrefix + "envoy.config.core.v3.TypedExtensionConfig"
	legacyWildcard, byName = true, false
)

// kind is what the protocol says of a resource type. Types nobody registered have a kind too.
type kind struct {
	typeURL string
	// rank is the watch in the order of pushes (C091): a change waits for what it
	// refers to only where that ranks lower.
	rank int
	// legacyWildcard: a first request without names means everything (C042, C065).
	legacyWildcard bool
	// whole: a state-of-the-world response always holds the whole subscribed state,
	// and absence from it means removal (C052-C054).
	whole bool
	// users are the types that refer to this one.
	users []string
	// warms: clients use a changed resource only once what it refers to has come: Envoy listeners and scopes, gRPC
	// clients routes, too.
	warms bool
}

// lastRank is that of types the order says nothing of.
const lastRank = 7

// kinds are the types with rules of their own, in the order of pushes.
var kinds = []kind{
	{ClusterType, 1, legacyWildcard, true, []string{ListenerType, RouteType, VirtualHostType, ClusterType}, false},
	{EndpointType, 2, byName, false, []string{ClusterType}, false},
	{ListenerType, 3, legacyWildcard, true, nil, true},
	{ScopedRouteType, 4, legacyWildcard, true, []string{ListenerType}, true},
	{RouteType, 5, byName, false, []string{ListenerType, ScopedRouteType}, true},
	{VirtualHostType, 6, byName, false, []string{RouteType}, false},
	{SecretType, lastRank, byName, false, []string{ClusterType, ListenerType}, false},
	{RuntimeType, lastRank, byName, false, nil, false},
	{ExtensionConfigType, lastRank, byName, false, []string{ListenerType, RouteType}, false},
}

// kindOf returns the rules of a type. One that is not known is served by its full state,
// which is always right, and to everybody who names nothing.
func kindOf(typeURL string) *kind {
	for i := range kinds {
		if kinds[i].typeURL == typeURL {
			return &kinds[i]
		}
	}
	return &kind{typeURL, lastRank, legacyWildcard, true, nil, false}
}

// isOwnType says whether a type is one of those with rules of their own.
func isOwnType(typeURL string) bool {
	return slices.ContainsFunc(kinds, func(k kind) bool { return k.typeURL == typeURL })
}

// shortType is a type URL as people say it: "Cluster".
func shortType(typeURL string) string {
	return typeURL[strings.LastIndexAny(typeURL, "./")+1:]
}
