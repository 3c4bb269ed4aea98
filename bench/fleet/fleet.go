package fleet

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/doyen-mesh/doyen/bench/workload"
)

// Options say how many clients there are and what they ask for.
type Options struct {
	Address       string // of the server
	Clients       int
	PerConnection int // streams on one connection
	Protocol      Protocol
	Shape         workload.Shape
}

// Fleet is a number of clients of one server.
type Fleet struct {
	connections
	shape                     workload.Shape
	protocol                  Protocol
	fields                    fields
	summer                    summer
	clusterURL, assignmentURL []byte

	clients []*client
	synced  atomic.Int64 // clients that hold everything they asked for
	covered atomic.Int64 // arrivals of changes at clients that were synced, and those that they cover
}

// Open connects the clients; each subscribes at once. [Fleet.Close] must be called.
func Open(o Options) (*Fleet, error) {
	f := &Fleet{
		shape: o.Shape, protocol: o.Protocol, fields: o.Protocol.fields(),
		summer:     summer{seed: maphash.MakeSeed()},
		clusterURL: o.Protocol.typeURL(workload.ClusterType), assignmentURL: o.Protocol.typeURL(workload.AssignmentType),
	}
	f.enlist(o.Clients)
	callers := make([]caller, len(f.clients))
	for i, c := range f.clients {
		callers[i] = c
	}
	return f, f.open(o.Address, callers, o.PerConnection)
}

// enlist makes the clients. Equal subscriptions share their bytes.
func (f *Fleet) enlist(count int) {
	shared := make(map[int][]byte, f.shape.ViewCount())
	for number := range count {
		subscription := f.shape.Subscription(number)
		view := f.shape.View(number)
		names := shared[view]
		if names == nil || f.shape.Subset > 0 {
			names = f.protocol.names(f.shape, view, subscription)
			shared[view] = names
		}
		c := &client{
			stream: stream{path: f.protocol.path()},
			fleet:  f, number: number, names: names,
			clusters:    newHeld(f.shape.Clusters, f.shape.Clusters),
			assignments: newHeld(f.shape.Clusters, len(subscription)),
			sequences:   make([]uint32, f.shape.Clusters),
		}
		if f.shape.Subset > 0 {
			c.clusters = held{}
		}
		f.clients = append(f.clients, c)
	}
}

// pollEvery is how often waiting looks: often enough for the figures that are taken after it,
// seldom enough not to be seen in them.
const pollEvery = 2 * time.Millisecond

// WaitSynced returns when every client holds everything it asked for.
func (f *Fleet) WaitSynced(ctx context.Context) error {
	return f.wait(ctx, "clients in sync", &f.synced, int64(len(f.clients)))
}

// WaitCovered returns when every client that asked for them has the changes from+1 to sequence, or
// later ones of the same assignments.
func (f *Fleet) WaitCovered(ctx context.Context, from, sequence uint32) error {
	return f.wait(ctx, "changes at clients", &f.covered, f.due(from, sequence))
}

// due is the number of arrivals that the changes from+1 to sequence make.
func (f *Fleet) due(from, sequence uint32) int64 {
	subscribers := make([]int64, f.shape.Clusters)
	for number := range f.clients {
		for _, index := range f.shape.Subscription(number) {
			subscribers[index]++
		}
	}
	var due int64
	for change := from + 1; change <= sequence; change++ {
		for _, index := range f.shape.Targets(change) {
			due += subscribers[index]
		}
	}
	return due
}

func (f *Fleet) wait(ctx context.Context, what string, count *atomic.Int64, want int64) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		if err := f.err(); err != nil {
			return err
		}
		if count.Load() >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("%d of %d %s", count.Load(), want, what), ctx.Err())
		case <-ticker.C:
		}
	}
}
