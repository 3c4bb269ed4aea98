package serve

import (
	"context"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// peer is what both caches of go-control-plane are served by.
type peer struct{ server server.Server }

// newPeer has no callbacks and the default logger, which drops everything.
func newPeer(ctx context.Context, source cache.Cache) peer {
	return peer{server: server.NewServer(ctx, source, nil)}
}

// options are those of go-control-plane's example server.
func (p peer) options() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxConcurrentStreams(1_000_000),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 30 * time.Second, Timeout: 5 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 30 * time.Second, PermitWithoutStream: true}),
	}
}

func (p peer) register(g *grpc.Server) {
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, p.server)
}

func (p peer) run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// decoded are the messages of one view, as go-control-plane takes them, by index.
type decoded struct{ clusters, assignments []types.Resource }

func decode(shape workload.Shape, view int) (decoded, error) {
	d := decoded{make([]types.Resource, shape.Clusters), make([]types.Resource, shape.Clusters)}
	for index := range shape.Clusters {
		cluster, assignment := new(clusterv3.Cluster), new(endpointv3.ClusterLoadAssignment)
		if err := proto.Unmarshal(shape.Cluster(view, index), cluster); err != nil {
			return d, err
		}
		if err := proto.Unmarshal(shape.Assignment(view, index), assignment); err != nil {
			return d, err
		}
		d.clusters[index], d.assignments[index] = cluster, assignment
	}
	return d, nil
}

// changed is the assignment as it stands after the change sequence.
func changed(assignment types.Resource, sequence uint32) (types.Resource, error) {
	body, err := cache.MarshalResource(assignment)
	if err != nil {
		return nil, err
	}
	next := new(endpointv3.ClusterLoadAssignment)
	return next, proto.Unmarshal(workload.Changed(body, sequence), next)
}

// versionsOf are the versions that go-control-plane gives resources in the incremental variant.
func versionsOf(resources map[string]types.Resource) (map[string]string, error) {
	versions := make(map[string]string, len(resources))
	for name, resource := range resources {
		body, err := cache.MarshalResource(resource)
		if err != nil {
			return nil, err
		}
		versions[name] = cache.HashResource(body)
	}
	return versions, nil
}
