package bootstrap

import (
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

// The shortest and the longest pause before Envoy connects to a server again, both with jitter.
const (
	reconnect    = 500 * time.Millisecond
	maxReconnect = 5 * time.Second
)

// Envoy returns the bootstrap, as YAML, of an Envoy that gets its whole configuration from the server.
func Envoy(o Options) ([]byte, error) {
	o.Node.VHDS = o.Node.Role == mesh.EdgeProxy
	b, err := connected(o)
	if err != nil {
		return nil, err
	}
	b.DynamicResources.LdsConfig, b.DynamicResources.CdsConfig = envoy.ADS(), envoy.ADS()
	return encode(b)
}

// StaticButEndpoints returns a file, as YAML, for an Envoy that gets only the endpoints of services from the server.
func StaticButEndpoints(o Options, p ir.Proxy) ([]byte, error) {
	b, err := connected(o)
	if err != nil {
		return nil, err
	}
	s, err := envoy.StaticButEndpoints(p)
	if err != nil {
		return nil, err
	}
	add(b, s)
	return encode(b)
}

// Static returns a complete file, as YAML, for an Envoy without a server. The endpoints of services are those in
// sets.
func Static(o Options, p ir.Proxy, sets []ir.EndpointSet) ([]byte, error) {
	b, err := basic(o)
	if err != nil {
		return nil, err
	}
	s, err := envoy.StaticWithEndpoints(p, sets)
	if err != nil {
		return nil, err
	}
	add(b, s)
	return encode(b)
}

func add(b *bootstrapv3.Bootstrap, s envoy.Static) {
	b.StaticResources.Listeners = append(b.StaticResources.Listeners, s.Listeners...)
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, s.Clusters...)
}

// basic returns what every Envoy has: a name, an admin port on loopback, limits of connections and memory, and the host's
// certificate authorities.
func basic(o Options) (*bootstrapv3.Bootstrap, error) {
	node, err := envoy.NodeProto(o.Node, o.Instance)
	if err != nil {
		return nil, err
	}
	b := &bootstrapv3.Bootstrap{
		Node:            node,
		StaticResources: &bootstrapv3.Bootstrap_StaticResources{},
		Admin: &bootstrapv3.Admin{
			Address:               address("127.0.0.1", o.adminPort()),
			IgnoreGlobalConnLimit: true,
		},
	}
	if b.OverloadManager, err = overload(o); err != nil {
		return nil, err
	}
	if o.CA != "" {
		b.StaticResources.Secrets = append(b.StaticResources.Secrets, authorities(o.CA))
	}
	return b, nil
}

// authorities returns the secret by which clusters refer to the host's certificate authorities.
func authorities(file string) *tlsv3.Secret {
	source := &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: file}}
	return &tlsv3.Secret{
		Name: envoy.SystemCAName,
		Type: &tlsv3.Secret_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{TrustedCa: source}},
	}
}

// Bounds of the pauses between attempts to reach the server. Each pause is drawn at random between 0 and a limit.
const (
	firstReconnect = 250 * time.Millisecond
	lastReconnect  = time.Second
)

// connected is basic with the incremental aggregated stream to the server, over which all configuration comes.
func connected(o Options) (*bootstrapv3.Bootstrap, error) {
	cluster, err := o.cluster()
	if err != nil {
		return nil, err
	}
	b, err := basic(o)
	if err != nil {
		return nil, err
	}
	b.StaticResources.Clusters = append(b.StaticResources.Clusters, cluster)
	b.DynamicResources = &bootstrapv3.Bootstrap_DynamicResources{AdsConfig: &corev3.ApiConfigSource{
		ApiType:                   corev3.ApiConfigSource_DELTA_GRPC,
		TransportApiVersion:       corev3.ApiVersion_V3,
		SetNodeOnFirstMessageOnly: true,
		GrpcServices:              []*corev3.GrpcService{server()},
	}}
	return b, nil
}

// server returns the doyen server as a gRPC service. By default, Envoy's pause between attempts grows to half a
// minute, so a proxy would notice late that the server is back.
func server() *corev3.GrpcService {
	return &corev3.GrpcService{
		TargetSpecifier: &corev3.GrpcService_EnvoyGrpc_{
			EnvoyGrpc: &corev3.GrpcService_EnvoyGrpc{
				ClusterName: envoy.ServerClusterName,
				// By default, Envoy's pauses grow to 30 s, and a proxy that started without a server would do nothing
				// for that long.
				RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
					BaseInterval: durationpb.New(firstReconnect), MaxInterval: durationpb.New(lastReconnect),
				}},
			},
		},
		RetryPolicy: &corev3.RetryPolicy{RetryBackOff: &corev3.BackoffStrategy{
			BaseInterval: durationpb.New(reconnect),
			MaxInterval:  durationpb.New(maxReconnect),
		}},
	}
}

func address(host string, port int) *corev3.Address {
	return &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
		Address:       host,
		PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(port)},
	}}}
}
