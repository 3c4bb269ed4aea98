package compare

import (
	"time"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/serve"
	"github.com/doyen-mesh/doyen/bench/workload"
)

// Groups of scenarios.
const (
	Shared = "shared" // every client has the same 1,000 clusters and assignments
	Subset = "subset" // every client asks for its own random 100 of 1,000 assignments
	Views  = "views"  // every client has 50 clusters and assignments of its own
	Whole  = "whole"  // as views, with every assignment rewritten by each publication
	Many   = "many"   // shared, with five times as many clients
	Alone  = "alone"  // shared, with a connection for each client, as proxies have it
)

// Groups lists them in the order in which they run.
func Groups() []string { return []string{Shared, Subset, Views, Whole, Many, Alone} }

// Size is how large the scenarios are, and how long they take.
type Size struct {
	Clients, Many  int           // clients of most scenarios, and of the one with many
	Clusters       int           // shared by all clients
	OwnClusters    int           // of a client's own view
	Subset         int           // of Clusters
	Singles        int           // single changes of doyen and the floor
	PeerSingles    int           // of the peer, whose changes take seconds
	Rate, PeerRate time.Duration // of 100 changes a second
	Idle           time.Duration
	BothCaches     bool // doyen's linear cache where its snapshot cache is compared, too
	Long           bool // also what no target is about: the peer with many clients, and with a connection for each client
}

// Full is the size that the targets are for.
func Full() Size {
	return Size{
		Clients: 1000, Many: 5000, Clusters: 1000, OwnClusters: 50, Subset: 100,
		Singles: 20, PeerSingles: 7, Rate: 20 * time.Second, PeerRate: 20 * time.Second, Idle: 5 * time.Second,
		BothCaches: true, Long: true,
	}
}

// Short has the same numbers of clients and resources, with fewer changes, and leaves out what no
// target is about.
func Short() Size {
	s := Full()
	s.PeerSingles, s.PeerRate, s.BothCaches, s.Long = 3, 10*time.Second, false, false
	return s
}

// Plan lists the scenarios of a group.
func (s Size) Plan(group string) []Scenario {
	shared := workload.Shape{Clusters: s.Clusters, Endpoints: endpoints}
	servers := []string{serve.Floor, serve.PeerLinear, serve.PeerSnapshot, serve.DoyenSnapshot}
	switch group {
	case Shared:
		if s.BothCaches {
			servers = append(servers, serve.DoyenLinear)
		}
		return append(s.scenarios(group, fleet.Delta, shared, servers...), s.scenarios(group, fleet.SotW, shared, servers...)...)
	case Subset:
		shape := shared
		shape.Subset = s.Subset
		servers = append(servers, serve.DoyenLinear)
		return s.scenarios(group, fleet.Delta, shape, servers...)
	case Views, Whole:
		shape := workload.Shape{Clusters: s.OwnClusters, Endpoints: endpoints, Views: s.Clients, Whole: group == Whole}
		return s.scenarios(group, fleet.Delta, shape, serve.PeerSnapshot, serve.DoyenSnapshot)
	case Alone:
		if !s.Long {
			servers = []string{serve.DoyenSnapshot}
		}
		return s.scenarios(group, fleet.Delta, shared, servers...)
	case Many:
		if !s.Long {
			servers = []string{serve.Floor, serve.DoyenSnapshot}
		}
		return s.scenarios(group, fleet.Delta, shared, servers...)
	}
	return nil
}

const (
	endpoints     = 10  // of an assignment
	perConnection = 100 // streams on one connection
)

// scenarios are those of one group and variant. Only what all clients share has steady changes.
func (s Size) scenarios(group string, p fleet.Protocol, shape workload.Shape, servers ...string) []Scenario {
	var scenarios []Scenario
	for _, server := range servers {
		one := Scenario{
			Group: group, Server: server, Protocol: p, Clients: s.Clients, Shape: shape,
			Singles: s.Singles, Rate: s.Rate, Idle: s.Idle, PerConnection: perConnection,
		}
		if isPeer(server) {
			one.Singles, one.Rate = s.PeerSingles, s.PeerRate
		}
		if group != Shared && group != Alone || server == serve.Floor {
			one.Rate = 0
		}
		switch group {
		case Many:
			one.Clients = s.Many
		case Alone:
			one.PerConnection = 1
		}
		scenarios = append(scenarios, one)
	}
	return scenarios
}

func isPeer(server string) bool {
	for _, k := range serve.Kinds() {
		if k.Name == server {
			return k.Peer
		}
	}
	return false
}
