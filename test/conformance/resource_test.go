package conformance

import (
	"strings"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"

	"github.com/doyen-mesh/doyen/xds"
)

// The resources for Envoy. A cluster's assignment has the cluster's name. Each listener is on a free port, and has
// routes with a name of their own.

// cluster returns a cluster with endpoints by EDS. A change of timeout changes only the cluster.
func cluster(v variant, name, timeout string) *xds.Resource {
	return resource(new(clusterv3.Cluster), name, `{
		"name": %q, "type": "EDS", "connect_timeout": %q, "eds_cluster_config": {"eds_config": %s}
	}`, name, timeout, v.source())
}

func assignment(cluster string, addresses ...string) *xds.Resource {
	var endpoints []string
	for _, address := range addresses {
		endpoints = append(endpoints, endpoint(address))
	}
	return resource(new(endpointv3.ClusterLoadAssignment), cluster, `{
		"cluster_name": %q, "endpoints": [{"lb_endpoints": [%s]}]
	}`, cluster, strings.Join(endpoints, ","))
}

// listener returns an HTTP listener with additional filters, in proto-JSON, before the router.
func listener(v variant, name, routes string, filters ...string) *xds.Resource {
	return resource(new(listenerv3.Listener), name, `{
		"name": %q, "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": [{"filters": [%s]}]
	}`, name, connectionManager(v, routes, filters...))
}

func connectionManager(v variant, routes string, filters ...string) string {
	filters = append(filters, `{
		"name": "router", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"}
	}`)
	return `{"name": "hcm", "typed_config": {
		"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
		"stat_prefix": "in", "rds": {"route_config_name": "` + routes + `", "config_source": ` + v.source() + `},
		"http_filters": [` + strings.Join(filters, ",") + `]
	}}`
}

// routes returns routes that send everything to one cluster.
func routes(name, cluster string) *xds.Resource {
	return resource(new(routev3.RouteConfiguration), name, `{
		"name": %q, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
			{"match": {"prefix": "/"}, "route": {"cluster": %q}}
		]}]
	}`, name, cluster)
}

// site returns a listener with routes to one cluster with one endpoint.
func site(v variant, cluster_, address string) []*xds.Resource {
	return []*xds.Resource{
		listener(v, "in", "main"), routes("main", cluster_), cluster(v, cluster_, "1s"), assignment(cluster_, address),
	}
}

var (
	clusterType  = typeURL(new(clusterv3.Cluster))
	listenerType = typeURL(new(listenerv3.Listener))
)
