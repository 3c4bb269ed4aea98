package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/bench/fleet"
	"github.com/doyen-mesh/doyen/bench/workload"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// streams is how many streams of the second server wait for each check-in at the first one.
const streams = 10

// propagation measures from the call that checks an instance in at one server until streams of another one have it.
func (o options) propagation(ctx context.Context, folder, store string) (err error) {
	servers, stop, err := o.start(ctx, folder, store)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	watchers, err := fleet.Watch(ctx, fleet.WatchOptions{
		Address: servers[1].GRPC, Count: streams, PerConnection: streams, Node: sidecar, Type: workload.AssignmentType, Names: []string{"users"},
	})
	if err != nil {
		return err
	}
	defer watchers.Close()
	c, err := client.New("http://"+servers[0].HTTP, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	var fromCall, fromAnswer []time.Duration
	for round := range o.rounds {
		i := numbered("users", round)
		i.Address = netip.AddrPortFrom(i.Address.Addr(), 8080)
		watchers.Expect(i.Address.Addr().String())
		called := time.Now()
		if _, err := c.CheckIn(ctx, i); err != nil {
			return err
		}
		answered := time.Now()
		arrivals, err := watchers.Wait(ctx)
		if err != nil {
			return err
		}
		for _, at := range arrivals {
			fromCall, fromAnswer = append(fromCall, at.Sub(called)), append(fromAnswer, max(0, at.Sub(answered)))
		}
		if _, err := c.Leave(ctx, i.Key, registry.Incarnation{}, 0); err != nil {
			return err
		}
		time.Sleep(20 * time.Millisecond) // one check-in at a time
	}
	printQuantiles("check-in at one server until a stream of another has it", fromCall)
	printQuantiles("the same from the answer to the check-in on", fromAnswer)
	return nil
}

// numbered is an instance of a service, at an address that no other number has.
func numbered(service mesh.ServiceName, n int) registry.Instance {
	ip := netip.AddrFrom4([4]byte{10, 100 + byte(n>>16), byte(n >> 8), byte(n)})
	return registry.Instance{Key: registry.Key{Service: service, Address: netip.AddrPortFrom(ip, 9211)}, Zone: "a", Tags: map[string]string{"build": "4711"}}
}

func sidecar(number int) []byte {
	node := &corev3.Node{
		Id: fmt.Sprintf("sidecar/web/stream-%d", number),
		Metadata: &structpb.Struct{Fields: map[string]*structpb.Value{
			"doyen": structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
				"role": structpb.NewStringValue("sidecar"), "service": structpb.NewStringValue("web"),
			}}),
		}},
	}
	encoded, err := proto.Marshal(node)
	if err != nil {
		panic(err) // a message made here can always be encoded
	}
	return encoded
}
