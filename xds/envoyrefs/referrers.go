package envoyrefs

import (
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/doyen-mesh/doyen/xds"
)

// referrer is a field that names resources of one type.
type referrer struct {
	field  protoreflect.Name // a string, or a list of them
	to     string            // the type URL of what it names
	source protoreflect.Name // the sibling that says where it is found; "" where that goes without saying
}

// referrers are the messages that name resources, by full name. They are read by reflection, so that a
// program links only those that it uses.
var referrers = map[protoreflect.FullName][]referrer{
	"envoy.config.listener.v3.Filter":                {{"name", xds.ExtensionConfigType, "config_discovery"}},
	"envoy.config.listener.v3.ListenerFilter":        {{"name", xds.ExtensionConfigType, "config_discovery"}},
	"envoy.config.route.v3.ScopedRouteConfiguration": {{"route_configuration_name", xds.RouteType, ""}},

	"envoy.extensions.filters.network.http_connection_manager.v3.Rds":        {{"route_config_name", xds.RouteType, "config_source"}},
	"envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter": {{"name", xds.ExtensionConfigType, "config_discovery"}},
	"envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig":              {{"name", xds.SecretType, "sds_config"}},

	"envoy.config.route.v3.RouteAction":                                                    {{"cluster", xds.ClusterType, ""}},
	"envoy.config.route.v3.RouteAction.RequestMirrorPolicy":                                {{"cluster", xds.ClusterType, ""}},
	"envoy.config.route.v3.WeightedCluster.ClusterWeight":                                  {{"name", xds.ClusterType, ""}},
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy":                               {{"cluster", xds.ClusterType, ""}},
	"envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.WeightedCluster.ClusterWeight": {{"name", xds.ClusterType, ""}},
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route":        {{"cluster", xds.ClusterType, ""}},
	"envoy.extensions.filters.network.redis_proxy.v3.RedisProxy.PrefixRoutes.Route.RequestMirrorPolicy": {
		{"cluster", xds.ClusterType, ""},
	},
	"envoy.extensions.clusters.aggregate.v3.ClusterConfig": {{"clusters", xds.ClusterType, ""}},
	"envoy.config.core.v3.GrpcService.EnvoyGrpc":           {{"cluster_name", xds.ClusterType, ""}},
	"envoy.config.core.v3.HttpUri":                         {{"cluster", xds.ClusterType, ""}},
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
