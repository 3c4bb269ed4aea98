package envoy_test

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/envoy/bootstrap"
	"github.com/doyen-mesh/doyen/internal/ir"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/test/machine"
	"github.com/doyen-mesh/doyen/xds"
)

// A server has the resources of one node and, separately, the assignments of all services.
type server struct {
	*xds.Server
	views     *xds.SnapshotCache
	endpoints *xds.LinearCache
	bootstrap bootstrap.Options
	accepting *listener
}

// A listener can close the connections that it accepted.
type listener struct {
	net.Listener
	mu   sync.Mutex
	open []net.Conn
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = append(l.open, c)
	return c, err
}

// disconnect closes the connections of all clients, which then reconnect.
func (s *server) disconnect() {
	s.accepting.mu.Lock()
	defer s.accepting.mu.Unlock()
	for _, c := range s.accepting.open {
		c.Close()
	}
	s.accepting.open = nil
}

const onlyView = "view"

// serve starts a server for node. It has published nothing yet.
func serve(t *testing.T, node mesh.Node) *server {
	t.Helper()
	views := xds.NewSnapshotCache(xds.SnapshotCacheOptions{View: func(*xds.Node) string { return onlyView }})
	endpoints := xds.NewLinearCache(xds.EndpointType)
	engine := xds.NewServer(xds.NewMux(xds.MuxOptions{
		Types: map[string]xds.Source{xds.EndpointType: endpoints}, Default: views,
	}), xds.ServerOptions{PushVirtualHosts: true})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(xds.GRPCOptions()...)
	engine.Register(g)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- engine.Run(ctx) }()
	accepting := &listener{Listener: l}
	go func() { done <- g.Serve(accepting) }()
	t.Cleanup(func() {
		cancel()
		g.Stop()
		<-done
		<-done
	})
	return &server{engine, views, endpoints, bootstrap.Options{
		Node: node, Instance: "test", Server: l.Addr().String(), AdminPort: machine.FreePorts(t, 1)[0],
	}, accepting}
}

// publish compiles documents for the server's node and publishes the result.
func (s *server) publish(t *testing.T, documents string, sets ...ir.EndpointSet) {
	t.Helper()
	snapshot, problems := config.Parse(config.Files{"mesh.yaml": []byte(documents)})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	p, err := compile.Compile(&snapshot.Documents, mesh.View{Node: s.bootstrap.Node})
	if err != nil {
		t.Fatal(err)
	}
	var all []*xds.Resource
	for _, r := range mustResources(t, p) {
		all = append(all, r.Resource)
	}
	for _, set := range sets {
		r, err := envoy.Assignment(set)
		if err != nil {
			t.Fatal(err)
		}
		s.endpoints.Put(r)
	}
	s.views.Publish(onlyView, xds.NewSnapshot(all...))
}

// withFreePorts returns the node of p with free ports.
func withFreePorts(t *testing.T, p ir.Proxy) mesh.Node {
	t.Helper()
	n := p.Node
	n.Ports = mesh.Ports{
		Egress: machine.FreePorts(t, 1)[0], Ingress: map[mesh.PortName]int{}, TCP: map[mesh.ServiceName]int{}, Edge: map[string]int{},
	}
	for _, in := range p.Ingress {
		n.Ports.Ingress[in.Port] = machine.FreePorts(t, 1)[0]
	}
	for _, tunnel := range p.Tunnels {
		n.Ports.TCP[tunnel.Target.Name] = machine.FreePorts(t, 1)[0]
	}
	if p.Edge != nil {
		for _, l := range p.Edge.Listeners {
			n.Ports.Edge[l.Name] = machine.FreePorts(t, 1)[0]
		}
	}
	return n
}

// emptySets returns sets without endpoints for all services that p sends to.
func emptySets(p ir.Proxy) []ir.EndpointSet {
	var sets []ir.EndpointSet
	for _, u := range p.Upstreams {
		if u.Target.Kind == ir.Service {
			sets = append(sets, ir.EndpointSet{Target: u.Target})
		}
	}
	return sets
}

var errNobody = errors.New("no client is connected")

// accepted returns an error unless every client has acknowledged everything and rejected nothing.
func (s *server) accepted() error {
	nodes := s.Status()
	if len(nodes) == 0 {
		return errNobody
	}
	for _, n := range nodes {
		for _, stream := range n.Streams {
			for typeURL, status := range stream.Types {
				if status.Rejected != nil || !status.InSync {
					return &notAccepted{typeURL, status}
				}
			}
		}
	}
	return nil
}

// notAccepted returns what a client has not accepted.
type notAccepted struct {
	typeURL string
	status  xds.TypeStatus
}

func (n *notAccepted) Error() string {
	if n.status.Rejected != nil {
		return n.typeURL + ": " + n.status.Rejected.Message
	}
	return n.typeURL + " is not acknowledged"
}
