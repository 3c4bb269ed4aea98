package serve

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// target is a server that is compared.
type target interface {
	// options are what its grpc.Server is made with.
	options() []grpc.ServerOption
	// register puts its services on g.
	register(g *grpc.Server)
	// run does its background work until ctx ends.
	run(ctx context.Context) error
	// prepare makes the new bytes of a change, or the messages for a server that takes those; the
	// function returned publishes them and returns when a writer could go on.
	prepare(sequence uint32) (publish func() error, err error)
	// versions of all resources, by type URL and name.
	versions() (map[string]map[string]string, error)
}

// Kind is one server that can be compared.
type Kind struct {
	Name string
	// Peer says that it is go-control-plane.
	Peer bool
	make func(ctx context.Context, shape workload.Shape) (target, error)
}

// Names of the kinds.
const (
	PeerLinear    = "go-control-plane linear"
	PeerSnapshot  = "go-control-plane snapshot"
	DoyenSnapshot = "doyen snapshot"
	DoyenLinear   = "doyen linear"
	Floor         = "floor"
)

// Kinds lists every server.
func Kinds() []Kind {
	return []Kind{
		{Name: PeerLinear, Peer: true, make: newPeerLinear},
		{Name: PeerSnapshot, Peer: true, make: newPeerSnapshot},
		{Name: DoyenSnapshot, make: newDoyenSnapshot},
		{Name: DoyenLinear, make: newDoyenLinear},
		{Name: Floor, make: newFloor},
	}
}

func kind(name string) (Kind, error) {
	kinds := Kinds()
	i := slices.IndexFunc(kinds, func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, fmt.Errorf("server %q: not known", name)
	}
	return kinds[i], nil
}
