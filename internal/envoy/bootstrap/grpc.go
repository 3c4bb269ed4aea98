package bootstrap

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doyen-mesh/doyen/internal/envoy"
)

// grpcBootstrap is the file that GRPC_XDS_BOOTSTRAP names (gRFC A27 and A30).
type grpcBootstrap struct {
	Servers []grpcServer    `json:"xds_servers"`
	Node    json.RawMessage `json:"node"`
}

type grpcServer struct {
	URI      string           `json:"server_uri"`
	Creds    []grpcCredential `json:"channel_creds"`
	Features []string         `json:"server_features"`
}

type grpcCredential struct {
	Type string `json:"type"`
}

// GRPC returns the bootstrap of a gRPC program as JSON: the content of the file that GRPC_XDS_BOOTSTRAP names, or of
// the variable GRPC_XDS_BOOTSTRAP_CONFIG.
func GRPC(o Options) ([]byte, error) {
	uri, err := o.uri()
	if err != nil {
		return nil, err
	}
	node, err := envoy.NodeProto(o.Node, o.Instance)
	if err != nil {
		return nil, err
	}
	text, err := protojson.Marshal(node)
	if err != nil {
		return nil, fmt.Errorf("node: %w", err)
	}
	b, err := json.MarshalIndent(grpcBootstrap{
		Servers: []grpcServer{{URI: uri, Creds: []grpcCredential{{"insecure"}}, Features: []string{"xds_v3"}}},
		Node:    text,
	}, "", "  ")
	return append(b, '\n'), err
}
