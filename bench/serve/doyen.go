package serve

import (
	"context"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/bench/workload"
	"github.com/doyen-mesh/doyen/xds"
)

// doyen is what both caches are served by.
type doyen struct{ server *xds.Server }

func newDoyen(source xds.Source) doyen {
	return doyen{server: xds.NewServer(source, xds.ServerOptions{Identifier: "bench"})}
}

func (d doyen) options() []grpc.ServerOption  { return xds.GRPCOptions() }
func (d doyen) register(g *grpc.Server)       { d.server.Register(g) }
func (d doyen) run(ctx context.Context) error { return d.server.Run(ctx) }

// cluster is a resource that names the assignment it needs.
func cluster(shape workload.Shape, view, index int) *xds.Resource {
	name := shape.Name(view, index)
	needs := []xds.Ref{{Type: workload.AssignmentType, Name: name}}
	return xds.NewResource(workload.ClusterType, name, shape.Cluster(view, index), xds.ResourceOptions{References: needs})
}

func assignment(name string, body []byte) *xds.Resource {
	return xds.NewResource(workload.AssignmentType, name, body, xds.ResourceOptions{})
}

// resources are those of one view, by index.
func resources(shape workload.Shape, view int) (clusters, assignments []*xds.Resource) {
	for index := range shape.Clusters {
		clusters = append(clusters, cluster(shape, view, index))
		assignments = append(assignments, assignment(shape.Name(view, index), shape.Assignment(view, index)))
	}
	return clusters, assignments
}

// addVersions adds the versions of resources of one type.
func addVersions(versions map[string]map[string]string, resources []*xds.Resource) {
	for _, r := range resources {
		if versions[r.Type()] == nil {
			versions[r.Type()] = make(map[string]string)
		}
		versions[r.Type()][r.Name()] = r.Version()
	}
}
