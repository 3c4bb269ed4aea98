package envoyrefs

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Full names of the types that references lead to.
const (
	cluster         = "envoy.config.cluster.v3.Cluster"
	assignment      = "envoy.config.endpoint.v3.ClusterLoadAssignment"
	routeConfig     = "envoy.config.route.v3.RouteConfiguration"
	secret          = "envoy.extensions.transport_sockets.tls.v3.Secret"
	extensionConfig = "envoy.config.core.v3.TypedExtensionConfig"
)

// referrer is a field that names resources of one type.
type referrer struct {
	field  protoreflect.Name // a string, or a list of them
	to     string            // the type of what it names
	source protoreflect.Name // the sibling that says where it is found; "" where that goes without saying
}

// referrers are the messages that name resources, by full name. They are read by reflection, so that a
// program links only those that it uses.
var referrers = map[protoreflect.FullName][]referrer{
	"envoy.config.listener.v3.Filter":                {{"name", extensionConfig, "config_discovery"}},
	"envoy.config.listener.v3.ListenerFilter":        {{"name", extensionConfig, "config_discovery"}},
	"envoy.config.route.v3.ScopedRouteConfiguration": {{"route_configuration_name", routeConfig, ""}},

	"envoy.extensions.filters.network.http_connection_manager.v3.Rds":        {{"route_config_name", routeConfig, "config_source"}},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": {{"name", extensionConfig, "config_discovery"}},
	"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig":              {{"name", secret, "sds_config"}},

	"envoy.config.route.v3.RouteAction":                                                    {{"cluster", cluster, ""}},
	"envoy.config.route.v3.RouteAction.RequestMirrorPolicy":                                {{"cluster", cluster, ""}},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight":                                  {{"name", cluster, ""}},
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy":                               {{"cluster", cluster, ""}},
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": {{"name", cluster, ""}},
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route":        {{"cluster", cluster, ""}},
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy": {
		{"cluster", cluster, ""},
	},
	"envoy.extensions.clusters.aggregate.v3.ClusterConfig": {{"clusters", cluster, ""}},
	"envoy.config.core.v3.GrpcService.EnvoyGrpc":           {{"cluster_name", cluster, ""}},
	"envoy.config.core.v3.HttpUri":                         {{"cluster", cluster, ""}},
}

// names are the resources that the field of m names.
func (r referrer) names(m protoreflect.Message) []string {
	fields := m.Descriptor().Fields()
	if r.source != "" && !discovered(m, fields.ByName(r.source)) {
		return nil
	}
	field := fields.ByName(r.field)
	if !m.Has(field) {
		return nil
	}
	if !field.IsList() {
		return []string{m.Get(field).String()}
	}
	var names []string
	for list, i := m.Get(field).List(), 0; i < list.Len(); i++ {
		names = append(names, list.Get(i).String())
	}
	return names
}

// discovered reports whether the source that a field of m holds is there and is a server. What comes from
// a file, or is defined in a bootstrap, is nothing to wait for.
func discovered(m protoreflect.Message, source protoreflect.FieldDescriptor) bool {
	if !m.Has(source) {
		return false
	}
	config := m.Get(source).Message()
	if inner := config.Descriptor().Fields().ByName("config_source"); inner != nil {
		return discovered(config, inner)
	}
	fields := config.Descriptor().Fields()
	for _, path := range []protoreflect.Name{"path", "path_config_source"} {
		if field := fields.ByName(path); field != nil && config.Has(field) {
			return false
		}
	}
	return true
}
