//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// watchPrefix begins the node IDs of watches, which are no proxies of the fleet.
const watchPrefix = "watch/"

// emptied notes when a proxy would have been told that a service has no endpoints. No fault of the matrix explains
// that: it never takes all instances of a service, and leases outlast the faults.
type emptied struct {
	mu    sync.Mutex
	found []string
}

// take returns what was found since the last call.
func (e *emptied) take() []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := e.found
	e.found = nil
	return found
}

// watch subscribes to the endpoints of users and quotes at a server, as a proxy does, until ctx ends.
func (e *emptied) watch(ctx context.Context, s *server, running *sync.WaitGroup) error {
	metadata, err := structpb.NewStruct(map[string]any{mesh.MetadataKey: map[string]any{"role": string(mesh.Proxyless), "service": "desk"}})
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(at(s.host.IP, grpcPort), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	c := client.New(conn, client.Options{
		Node:     &corev3.Node{Id: watchPrefix + s.name, Metadata: metadata},
		MaxRetry: time.Second,
		Handle: func(u *client.Update) {
			e.look(s.name, u)
			u.Accept()
		},
	})
	c.Subscribe(xds.EndpointType, "users", "quotes")
	running.Go(func() {
		_ = c.Run(ctx)
		conn.Close()
	})
	return nil
}

func (e *emptied) look(server string, u *client.Update) {
	e.mu.Lock()
	defer e.mu.Unlock()
	note := func(name, what string) {
		e.found = append(e.found, fmt.Sprintf("%s %s: %s %s", time.Now().Format(time.TimeOnly), server, name, what))
	}
	for _, name := range u.Removed {
		note(name, "was removed")
	}
	for _, r := range u.Resources {
		var a endpointv3.ClusterLoadAssignment
		if r.Body == nil {
			continue
		}
		if err := r.Body.UnmarshalTo(&a); err != nil {
			note(r.Name, err.Error())
			continue
		}
		endpoints := 0
		for _, l := range a.Endpoints {
			endpoints += len(l.LbEndpoints)
		}
		if endpoints == 0 {
			note(r.Name, "has no endpoints")
		}
	}
}
