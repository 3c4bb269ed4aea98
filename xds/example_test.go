package xds_test

import (
	"fmt"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/xds"
)

// One snapshot for each node, over every service on one port.
func Example() {
	cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{})
	server := xds.NewServer(cache, xds.ServerOptions{Identifier: "server-1"})
	defer server.Shutdown()
	g := grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g) // then g.Serve(listener)

	users := xds.NewResource(xds.ClusterType, "users", []byte("a serialized Cluster"), xds.ResourceOptions{})
	cache.Publish("node-1", xds.NewSnapshot(users))
	fmt.Println(cache.Snapshot("node-1").Types())
	// Output: [type.googleapis.com/envoy.config.cluster.v3.Cluster]
}

// Endpoints change all the time and everybody may ask for them; the rest is by view.
func ExampleMux() {
	endpoints := xds.NewLinearCache(xds.EndpointType)
	views := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(n *xds.Node) string { return n.Cluster }})
	source := xds.NewMux(xds.MuxOptions{
		Types:   map[string]xds.Source{xds.EndpointType: endpoints},
		Default: views,
	})
	server := xds.NewServer(source, xds.ServerOptions{})
	defer server.Shutdown()

	endpoints.Put(xds.NewResource(xds.EndpointType, "users", []byte("a serialized ClusterLoadAssignment"), xds.ResourceOptions{}))
	fmt.Println(len(endpoints.Resources()))
	// Output: 1
}

// References say what has to be there first. Check finds those that lead nowhere.
func ExampleSnapshot_Check() {
	users := xds.Ref{Type: xds.ClusterType, Name: "users"}
	routes := xds.NewResource(xds.RouteType, "web", []byte("a serialized RouteConfiguration"),
		xds.ResourceOptions{References: []xds.Ref{users}})
	fmt.Println(xds.NewSnapshot(routes).Check(nil))
	// Output: RouteConfiguration "web" refers to Cluster "users", which does not exist
}
