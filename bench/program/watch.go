package program

import (
	"context"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/server"
	"github.com/doyen-mesh/doyen/bench/workload"
)

// streamsPerConnection is how many of the simulated streams share a connection.
const streamsPerConnection = 100

// watch connects simulated streams of sidecars that ask for the endpoints of the service that is
// called, which are named as the service is.
func watch(ctx context.Context, s *server.Server, count int) (*fleet.Watchers, error) {
	return fleet.Watch(ctx, fleet.WatchOptions{
		Address: s.GRPC, Count: count, PerConnection: streamsPerConnection,
		Node: sidecar, Type: workload.AssignmentType, Names: []string{calledService},
	})
}

// sidecar is the node of a simulated sidecar, as the bootstraps of doyen describe it.
func sidecar(number int) []byte {
	node := &corev3.Node{
		Id: fmt.Sprintf("sidecar/%s/stream-%d", callingService, number),
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"doyen": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"role":    structpb.NewStringValue("sidecar"),
				"service": structpb.NewStringValue(callingService),
			}}),
		}},
	}
	encoded, err := proto.Marshal(node)
	if err != nil {
		panic(err) // a message made here can always be encoded
	}
	return encoded
}
