package envoyrefs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/access_loggers/grpc/v3"
	_ "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/redis_proxy/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
)

const (
	cluster         = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	assignment      = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	listener        = "type.googleapis.com/envoy.config.listener.v3.Listener"
	routeConfig     = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	scopedRoute     = "type.googleapis.com/envoy.config.route.v3.ScopedRouteConfiguration"
	virtualHost     = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
	secret          = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
	extensionConfig = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig"
)

// The resources of these tests, as JSON with @type.
var resources = []struct {
	name, json string
	want       []xds.Ref
}{
	{
		name: "eds cluster, by its own name",
		json: `{"@type": "` + cluster + `", "name": "users", "type": "EDS"}`,
		want: []xds.Ref{{Type: assignment, Name: "users"}},
	},
	{
		name: "eds cluster, by service name",
		json: `{"@type": "` + cluster + `", "name": "users", "type": "EDS", "edsClusterConfig": {"serviceName": "users-a"}}`,
		want: []xds.Ref{{Type: assignment, Name: "users-a"}},
	},
	{
		name: "static cluster",
		json: `{"@type": "` + cluster + `", "name": "users", "type": "STATIC", "edsClusterConfig": {"serviceName": "x"}}`,
	},
	{
		name: "aggregate cluster",
		json: `{"@type": "` + cluster + `", "name": "all", "clusterType": {"name": "envoy.clusters.aggregate", "typedConfig": {
			"@type": "type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig", "clusters": ["b", "a"]}}}`,
		want: []xds.Ref{{Type: cluster, Name: "a"}, {Type: cluster, Name: "b"}},
	},
	{
		name: "cluster with secrets: from a server, from a file, from the bootstrap",
		json: `{"@type": "` + cluster + `", "name": "x", "transportSocket": {"name": "tls", "typedConfig": {
			"@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "commonTlsContext": {
			"tlsCertificateSdsSecretConfigs": [
				{"name": "served", "sdsConfig": {"ads": {}}},
				{"name": "filed", "sdsConfig": {"pathConfigSource": {"path": "/secret.yaml"}}},
				{"name": "static"}],
			"validationContextSdsSecretConfig": {"name": "trust", "sdsConfig": {"self": {}}}}}}}`,
		want: []xds.Ref{{Type: secret, Name: "served"}, {Type: secret, Name: "trust"}},
	},
	{
		name: "listener: routes by discovery, filter by discovery, access log, tcp",
		json: `{"@type": "` + listener + `", "name": "l", "filterChains": [{"filters": [
			{"name": "http", "typedConfig": {
				"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
				"rds": {"routeConfigName": "routes", "configSource": {"ads": {}}},
				"httpFilters": [{"name": "late", "configDiscovery": {"configSource": {"ads": {}}}}, {"name": "router"}],
				"accessLog": [{"name": "grpc", "typedConfig": {
					"@type": "type.googleapis.com/envoy.extensions.access_loggers.grpc.v3.HttpGrpcAccessLogConfig",
					"commonConfig": {"grpcService": {"envoyGrpc": {"clusterName": "logs"}}}}}]}},
			{"name": "tcp", "typedConfig": {
				"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
				"weightedClusters": {"clusters": [{"name": "t1", "weight": 1}, {"name": "t2", "weight": 1}]}}},
			{"name": "one", "typedConfig": {
				"@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", "cluster": "t3"}},
			{"name": "redis", "typedConfig": {
				"@type": "type.googleapis.com/envoy.extensions.filters.network.redis_proxy.v3.RedisProxy",
				"prefixRoutes": {"catchAllRoute": {"cluster": "cache", "requestMirrorPolicy": [{"cluster": "shadow"}]}}}}]}]}`,
		want: []xds.Ref{
			{Type: cluster, Name: "cache"}, {Type: cluster, Name: "logs"}, {Type: cluster, Name: "shadow"}, {Type: cluster, Name: "t1"}, {Type: cluster, Name: "t2"}, {Type: cluster, Name: "t3"},
			{Type: extensionConfig, Name: "late"}, {Type: routeConfig, Name: "routes"},
		},
	},
	{
		name: "api listener",
		json: `{"@type": "` + listener + `", "name": "users", "apiListener": {"apiListener": {
			"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
			"rds": {"routeConfigName": "users", "configSource": {"ads": {}}}}}}`,
		want: []xds.Ref{{Type: routeConfig, Name: "users"}},
	},
	{
		name: "listener filters by discovery; routes from a file",
		json: `{"@type": "` + listener + `", "name": "l",
			"listenerFilters": [{"name": "inspect", "configDiscovery": {"configSource": {"ads": {}}}}],
			"filterChains": [{"filters": [{"name": "net", "configDiscovery": {"configSource": {"ads": {}}}},
			{"name": "http", "typedConfig": {
				"@type": "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
				"rds": {"routeConfigName": "routes", "configSource": {"pathConfigSource": {"path": "/r.yaml"}}}}}]}]}`,
		want: []xds.Ref{{Type: extensionConfig, Name: "inspect"}, {Type: extensionConfig, Name: "net"}},
	},
	{
		name: "routes: one, weighted, mirrored, twice the same, none",
		json: `{"@type": "` + routeConfig + `", "name": "r", "virtualHosts": [{"name": "v", "domains": ["*"], "routes": [
			{"match": {"prefix": "/a"}, "route": {"cluster": "a", "requestMirrorPolicies": [{"cluster": "m"}]}},
			{"match": {"prefix": "/b"}, "route": {"weightedClusters": {"clusters": [{"name": "w", "weight": 1}]}}},
			{"match": {"prefix": "/c"}, "route": {"cluster": "a"}},
			{"match": {"prefix": "/d"}, "directResponse": {"status": 404}},
			{"match": {"prefix": "/e"}, "route": {"clusterHeader": "x-cluster"}}]}]}`,
		want: []xds.Ref{{Type: cluster, Name: "a"}, {Type: cluster, Name: "m"}, {Type: cluster, Name: "w"}},
	},
	{
		name: "virtual host",
		json: `{"@type": "` + virtualHost + `", "name": "r/v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "a"}}]}`,
		want: []xds.Ref{{Type: cluster, Name: "a"}},
	},
	{
		name: "scoped routes",
		json: `{"@type": "` + scopedRoute + `", "name": "s", "routeConfigurationName": "r"}`,
		want: []xds.Ref{{Type: routeConfig, Name: "r"}},
	},
	{
		name: "assignment",
		json: `{"@type": "` + assignment + `", "clusterName": "users"}`,
	},
}

func TestReferences(t *testing.T) {
	for _, test := range resources {
		t.Run(test.name, func(t *testing.T) {
			wrapped := &anypb.Any{}
			if err := protojson.Unmarshal([]byte(test.json), wrapped); err != nil {
				t.Fatal(err)
			}
			got, err := envoyrefs.Decode(wrapped.TypeUrl, wrapped.Value)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("references (-want +got):\n%s", diff)
			}
		})
	}
}

// TestUnknownParts has a typed configuration that nothing in this program knows: it is passed over.
func TestUnknownParts(t *testing.T) {
	m := &anypb.Any{TypeUrl: "type.googleapis.com/no.such.Type", Value: []byte{1, 2, 3}}
	if got := envoyrefs.Of(m); got != nil {
		t.Errorf("references of an unknown type: %v", got)
	}
}

func TestDecodeErrors(t *testing.T) {
	if _, err := envoyrefs.Decode("type.googleapis.com/no.such.Type", nil); err == nil {
		t.Error("an unknown type has no error")
	}
	if _, err := envoyrefs.Decode(cluster, []byte{0xff}); err == nil {
		t.Error("broken bytes have no error")
	}
}

// FuzzDecode looks for bytes that make the walk fail or change the message.
func FuzzDecode(f *testing.F) {
	for _, test := range resources {
		wrapped := &anypb.Any{}
		if err := protojson.Unmarshal([]byte(test.json), wrapped); err != nil {
			f.Fatal(err)
		}
		f.Add(wrapped.TypeUrl, wrapped.Value)
	}
	f.Fuzz(func(t *testing.T, typeURL string, body []byte) {
		before := &anypb.Any{TypeUrl: typeURL, Value: body}
		m, err := before.UnmarshalNew()
		if err != nil {
			return
		}
		original := proto.Clone(m)
		envoyrefs.Of(m)
		if !proto.Equal(original, m) {
			t.Errorf("%s changed", typeURL)
		}
	})
}
