package xdstest_test

import (
	"context"
	"net"
	"slices"
	"strings"
	"testing"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/doyen-mesh/doyen/xds/xdstest"
)

const (
	clusters  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	routes    = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	endpoints = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A case is what a client asks and a server says, in that order, and the rule that the server
// breaks by it; "" if it breaks none.
var cases = []struct {
	name   string
	rule   string
	script func(*script)
	option xdstest.Options
}{
	{"a whole life", "", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(clusters, ack("1")))
		s.ask(delta(endpoints, subscribe("a", "missing")))
		s.say(deltaOf(endpoints, "2", assignment("a", 1), removed("missing")))
		s.ask(delta(endpoints, ack("2")))
		s.ask(delta(routes, subscribe("r")))
		s.say(deltaOf(routes, "3", route("r", "a")))
		s.ask(delta(routes, ack("3")))
		// To cluster b, and a away, each step after the acknowledgement of the one before.
		s.say(deltaOf(clusters, "4", cluster("b", 1)))
		s.ask(delta(clusters, ack("4")))
		s.say(deltaOf(routes, "5", route("r", "b")))
		s.ask(delta(routes, ack("5")))
		s.say(deltaOf(clusters, "6", removed("a")))
		s.ask(delta(clusters, ack("6")))
		// A changed cluster touches its assignment.
		s.ask(delta(endpoints, subscribe("b")))
		s.say(deltaOf(endpoints, "7", assignment("b", 1)))
		s.ask(delta(endpoints, ack("7")))
		s.say(deltaOf(clusters, "8", cluster("b", 2)))
		s.ask(delta(clusters, ack("8")))
		s.say(deltaOf(endpoints, "9", assignment("b", 1)))
	}, xdstest.Options{}},
	{"state of the world", "", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1), cluster("b", 1)))
		s.ask(sotw(clusters, "1"))
		s.ask(sotw(endpoints, "", "a"))
		s.say(sotwOf(endpoints, "v1", "2", assignment("a", 1)))
		s.ask(sotw(endpoints, "2", "a"))
		s.ask(sotw(endpoints, "2", "a")) // asks once more
		s.say(sotwOf(endpoints, "v1", "3", assignment("a", 1)))
		s.ask(sotw(endpoints, "3", "a"))
		s.say(sotwOf(clusters, "v2", "4", cluster("a", 1)))
		s.ask(sotw(clusters, "4"))
	}, xdstest.Options{}},
	{"a name that is not in a stale request is dropped", "", func(s *script) {
		s.ask(sotw(routes, "", "a", "b"))
		s.say(sotwOf(routes, "v1", "1", route("a", "x"), route("b", "x")))
		s.ask(sotw(routes, "1", "a", "b"))
		s.say(sotwOf(routes, "v2", "2", route("a", "y")))
		s.ask(sotw(routes, "1", "a"))
		s.ask(sotw(routes, "2", "a", "b"))
		s.say(sotwOf(routes, "v3", "3", route("b", "x")))
	}, xdstest.Options{}},
	{"rejected, then what was good and a correction", "", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1)))
		s.ask(sotw(clusters, "1"))
		s.say(sotwOf(clusters, "v2", "2", cluster("a", 2)))
		s.ask(reject(sotw(clusters, "2")))
		s.say(sotwOf(clusters, "v3", "3", cluster("a", 1), cluster("b", 1)))
		s.ask(sotw(clusters, "3"))
		s.say(sotwOf(clusters, "v4", "4", cluster("a", 3), cluster("b", 1)))
	}, xdstest.Options{}},
	{"rejected, dropped and asked for again", "", func(s *script) {
		s.ask(delta(endpoints, subscribe("a", "b")))
		s.say(deltaOf(endpoints, "1", assignment("a", 1), assignment("b", 1)))
		s.ask(delta(endpoints, unsubscribe("b")))
		s.ask(rejectDelta(endpoints, "1"))
		s.ask(delta(endpoints, unsubscribe("a")))
		s.ask(delta(endpoints, subscribe("a", "b")))
		s.say(deltaOf(endpoints, "2", assignment("a", 1), assignment("b", 1)))
	}, xdstest.Options{}},

	{"empty nonce", "nonce", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "", cluster("a", 1)))
	}, xdstest.Options{}},
	{"nonce of another type", "nonce", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(endpoints, subscribe("a")))
		s.say(deltaOf(endpoints, "1", assignment("a", 1)))
	}, xdstest.Options{}},
	{"a name twice", "duplicate", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v", "1", cluster("a", 1), cluster("a", 2)))
	}, xdstest.Options{}},
	{"sent and removed", "duplicate", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1), removed("a")))
	}, xdstest.Options{}},
	{"another type within", "type", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", assignment("a", 1)))
	}, xdstest.Options{}},

	{"delta answers an ACK", "unprompted", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(clusters, ack("1")))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
	}, xdstest.Options{}},
	{"delta sends an unchanged one beside a changed one", "unprompted", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1), cluster("b", 1)))
		s.ask(delta(clusters, ack("1")))
		s.say(deltaOf(clusters, "2", cluster("a", 2), cluster("b", 1)))
	}, xdstest.Options{}},
	{"delta answers an ACK with nothing", "unprompted", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(clusters, ack("1")))
		s.say(deltaOf(clusters, "2"))
	}, xdstest.Options{}},
	{"state of the world answers an ACK", "unprompted", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v", "1", cluster("a", 1)))
		s.ask(sotw(clusters, "1"))
		s.say(sotwOf(clusters, "v", "2", cluster("a", 1)))
	}, xdstest.Options{}},
	{"a named type answers an ACK", "unprompted", func(s *script) {
		s.ask(sotw(routes, "", "r"))
		s.say(sotwOf(routes, "v", "1", route("r", "a")))
		s.ask(sotw(routes, "1", "r"))
		s.say(sotwOf(routes, "v", "2", route("r", "a")))
	}, xdstest.Options{}},
	{"heartbeats are news", "", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(clusters, ack("1")))
		s.say(deltaOf(clusters, "2", heartbeat("a", 1)))
		s.ask(delta(clusters, ack("2")))
	}, xdstest.Options{}},
	{"a removal crosses with the client's letting go", "", func(s *script) {
		s.ask(delta(endpoints, subscribe("a")))
		s.say(deltaOf(endpoints, "1", assignment("a", 1)))
		s.ask(delta(endpoints, ack("1")))
		s.ask(delta(endpoints, unsubscribe("a")))
		s.say(deltaOf(endpoints, "2", removed("a")))
	}, xdstest.Options{}},
	{"an answer crosses with letting go and asking again", "", func(s *script) {
		s.askAgain()
		s.say(deltaOf(endpoints, "2", assignment("a", 2)))
		s.ask(delta(endpoints, ack("2")))
		s.say(deltaOf(endpoints, "3", assignment("a", 2)))
	}, xdstest.Options{}},
	{"more answers than can have crossed", "unprompted", func(s *script) {
		s.askAgain()
		s.say(deltaOf(endpoints, "2", assignment("a", 2)))
		s.ask(delta(endpoints, ack("2")))
		s.say(deltaOf(endpoints, "3", assignment("a", 2)))
		s.ask(delta(endpoints, ack("3")))
		s.say(deltaOf(endpoints, "4", assignment("a", 2)))
	}, xdstest.Options{}},
	{"resends what the client holds", "known", func(s *script) {
		first := delta(clusters, subscribe("*"))
		first.InitialResourceVersions = map[string]string{"a": "1", "b": "1"}
		s.ask(first)
		s.say(deltaOf(clusters, "1", cluster("a", 1), cluster("b", 2)))
	}, xdstest.Options{}},

	{"a route before its cluster", "order", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(routes, "3", route("r", "b")))
		s.say(deltaOf(clusters, "4", cluster("b", 1)))
	}, xdstest.Options{}},
	{"a route before its cluster's ACK", "order", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(clusters, "3", cluster("b", 1)))
		s.say(deltaOf(routes, "4", route("r", "b")))
	}, xdstest.Options{}},
	{"a route to a rejected cluster", "order", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(clusters, "3", cluster("b", 1)))
		s.ask(rejectDelta(clusters, "3"))
		s.say(deltaOf(routes, "4", route("r", "b")))
	}, xdstest.Options{}},
	{"a route before its cluster, in state of the world", "order", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1)))
		s.ask(sotw(clusters, "1"))
		s.ask(sotw(routes, "", "r"))
		s.say(sotwOf(routes, "v1", "2", route("r", "a")))
		s.ask(sotw(routes, "2", "r"))
		s.say(sotwOf(routes, "v2", "3", route("r", "b")))
		s.say(sotwOf(clusters, "v2", "4", cluster("a", 1), cluster("b", 1)))
	}, xdstest.Options{}},
	{"a route before its cluster, where the test publishes that", "", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(routes, "3", route("r", "b")))
		s.say(deltaOf(clusters, "4", cluster("b", 1)))
	}, xdstest.Options{Dangling: true}},
	{"a first answer that refers to what is not there yet", "", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.ask(delta(routes, subscribe("r")))
		s.say(deltaOf(routes, "1", route("r", "a")))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
	}, xdstest.Options{}},

	{"a cluster goes before the route's ACK", "removal", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(clusters, "3", cluster("b", 1)))
		s.ask(delta(clusters, ack("3")))
		s.say(deltaOf(routes, "4", route("r", "b")))
		s.say(deltaOf(clusters, "5", removed("a")))
	}, xdstest.Options{}},
	{"a cluster goes before the route", "removal", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(clusters, "3", cluster("b", 1), removed("a")))
		s.ask(delta(clusters, ack("3")))
		s.say(deltaOf(routes, "4", route("r", "b")))
	}, xdstest.Options{}},
	{"a cluster goes though the route was rejected", "removal", func(s *script) {
		s.clusterAndRoute()
		s.say(deltaOf(clusters, "3", cluster("b", 1)))
		s.ask(delta(clusters, ack("3")))
		s.say(deltaOf(routes, "4", route("r", "b")))
		s.ask(rejectDelta(routes, "4"))
		s.say(deltaOf(clusters, "5", removed("a")))
	}, xdstest.Options{}},
	{"a cluster goes from a later state of the world", "removal", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1)))
		s.ask(sotw(clusters, "1"))
		s.ask(sotw(routes, "", "r"))
		s.say(sotwOf(routes, "v1", "2", route("r", "a")))
		s.ask(sotw(routes, "2", "r"))
		s.say(sotwOf(clusters, "v2", "3", cluster("b", 1)))
		s.ask(sotw(clusters, "3"))
		s.say(sotwOf(routes, "v2", "4", route("r", "b")))
	}, xdstest.Options{}},

	{"resends what was rejected", "rejected", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(rejectDelta(clusters, "1"))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
	}, xdstest.Options{}},
	{"resends what was rejected beside news", "rejected", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1)))
		s.ask(reject(sotw(clusters, "1")))
		s.say(sotwOf(clusters, "v2", "2", cluster("a", 1), cluster("b", 1)))
	}, xdstest.Options{}},
	{"isolates", "", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1), cluster("b", 1)))
		s.ask(rejectDelta(clusters, "1"))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
		s.ask(delta(clusters, ack("2")))
		s.say(deltaOf(clusters, "3", cluster("b", 1)))
		s.ask(rejectDelta(clusters, "3"))
	}, xdstest.Options{}},
	{"resends what was good beside a correction", "rejected", func(s *script) {
		s.ask(sotw(clusters, ""))
		s.say(sotwOf(clusters, "v1", "1", cluster("a", 1), cluster("b", 1)))
		s.ask(reject(sotw(clusters, "1")))
		s.say(sotwOf(clusters, "v2", "2", cluster("a", 1), cluster("b", 2)))
	}, xdstest.Options{}},
	{"resends what was rejected after what is in use", "rejected", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(delta(clusters, ack("1")))
		s.say(deltaOf(clusters, "2", cluster("a", 2)))
		s.ask(rejectDelta(clusters, "2"))
		s.say(deltaOf(clusters, "3", cluster("a", 1)))
		s.ask(delta(clusters, ack("3")))
		s.say(deltaOf(clusters, "4", cluster("a", 2)))
	}, xdstest.Options{}},
	{"resends what was rejected and is covered by the wildcard", "rejected", func(s *script) {
		s.ask(delta(clusters, subscribe("*", "a")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(rejectDelta(clusters, "1"))
		s.ask(delta(clusters, unsubscribe("a")))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
	}, xdstest.Options{}},
	{"isolates without end", "rejected", func(s *script) {
		s.ask(delta(clusters, subscribe("*")))
		s.say(deltaOf(clusters, "1", cluster("a", 1)))
		s.ask(rejectDelta(clusters, "1"))
		s.say(deltaOf(clusters, "2", cluster("a", 1)))
	}, xdstest.Options{}},
}

func TestRules(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, c.option)
			c.script(s)
			var broken []string
			for _, v := range s.recorder.Violations() {
				t.Log(v)
				broken = append(broken, v.Rule)
			}
			slices.Sort(broken)
			if got := strings.Join(slices.Compact(broken), " "); got != c.rule {
				t.Errorf("broken rules: %q, want %q", got, c.rule)
			}
		})
	}
}

// Every rule is broken by one case at least.
func TestEachRuleIsBroken(t *testing.T) {
	broken := make(map[string]bool)
	for _, c := range cases {
		broken[c.rule] = true
	}
	for _, name := range xdstest.RuleNames() {
		if !broken[name] {
			t.Errorf("no case breaks rule %q", name)
		}
	}
}

func TestCompressedMessages(t *testing.T) {
	s := start(t, xdstest.Options{}, grpc.UseCompressor(gzip.Name))
	s.ask(sotw(clusters, ""))
	s.say(sotwOf(clusters, "v", "1", cluster("a", 1)))
	s.recorder.Verify(t)
	if m := s.recorder.Messages(); len(m) != 2 || m[0].Node != "n" || m[1].Resources[0].Name != "a" {
		t.Errorf("recorded %v", m)
	}
}

// script is a client and a server on one stream of each protocol, both played by the test, one
// message at a time.
type script struct {
	discoveryv3.UnimplementedAggregatedDiscoveryServiceServer
	t        *testing.T
	recorder *xdstest.Recorder

	deltaClient discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesClient
	sotwClient  discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient
	deltaServer chan discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer
	sotwServer  chan discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer
	noded       bool
}

func start(t *testing.T, o xdstest.Options, calls ...grpc.CallOption) *script {
	s := &script{
		t:           t,
		recorder:    xdstest.NewRecorder(o),
		deltaServer: make(chan discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer, 1),
		sotwServer:  make(chan discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer, 1),
	}
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	s.check(err)
	server := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(server, s)
	go server.Serve(s.recorder.Listen(lis))
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultCallOptions(calls...))
	s.check(err)
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	client := discoveryv3.NewAggregatedDiscoveryServiceClient(conn)
	s.deltaClient, err = client.DeltaAggregatedResources(ctx)
	s.check(err)
	s.sotwClient, err = client.StreamAggregatedResources(ctx)
	s.check(err)
	return s
}

func (s *script) DeltaAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_DeltaAggregatedResourcesServer) error {
	s.deltaServer <- stream
	<-stream.Context().Done()
	return nil
}

func (s *script) StreamAggregatedResources(stream discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesServer) error {
	s.sotwServer <- stream
	<-stream.Context().Done()
	return nil
}

// ask sends a request and waits until the server has it.
func (s *script) ask(m proto.Message) {
	s.t.Helper()
	switch m := m.(type) {
	case *discoveryv3.DeltaDiscoveryRequest:
		m.Node = s.node()
		s.check(s.deltaClient.Send(m))
		stream := <-s.deltaServer
		_, err := stream.Recv()
		s.check(err)
		s.deltaServer <- stream
	case *discoveryv3.DiscoveryRequest:
		m.Node = s.node()
		s.check(s.sotwClient.Send(m))
		stream := <-s.sotwServer
		_, err := stream.Recv()
		s.check(err)
		s.sotwServer <- stream
	}
}

// node is what the first request says.
func (s *script) node() *corev3.Node {
	if s.noded {
		return nil
	}
	s.noded = true
	return &corev3.Node{Id: "n"}
}

// say sends a response and waits until the client has it.
func (s *script) say(m proto.Message) {
	s.t.Helper()
	switch m := m.(type) {
	case *discoveryv3.DeltaDiscoveryResponse:
		stream := <-s.deltaServer
		s.check(stream.Send(m))
		s.deltaServer <- stream
		_, err := s.deltaClient.Recv()
		s.check(err)
	case *discoveryv3.DiscoveryResponse:
		stream := <-s.sotwServer
		s.check(stream.Send(m))
		s.sotwServer <- stream
		_, err := s.sotwClient.Recv()
		s.check(err)
	}
}

func (s *script) check(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// clusterAndRoute gives the client a cluster a and a route r to it.
func (s *script) clusterAndRoute() {
	s.t.Helper()
	s.ask(delta(clusters, subscribe("*")))
	s.say(deltaOf(clusters, "1", cluster("a", 1)))
	s.ask(delta(clusters, ack("1")))
	s.ask(delta(routes, subscribe("r")))
	s.say(deltaOf(routes, "2", route("r", "a")))
	s.ask(delta(routes, ack("2")))
}

// askAgain has the client take an assignment, let go of it and ask for it again.
func (s *script) askAgain() {
	s.ask(delta(endpoints, subscribe("a")))
	s.say(deltaOf(endpoints, "1", assignment("a", 1)))
	s.ask(delta(endpoints, ack("1")))
	s.ask(delta(endpoints, unsubscribe("a")))
	s.ask(delta(endpoints, subscribe("a")))
}

type deltaPart func(*discoveryv3.DeltaDiscoveryRequest)

func delta(typeURL string, parts ...deltaPart) *discoveryv3.DeltaDiscoveryRequest {
	r := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL}
	for _, part := range parts {
		part(r)
	}
	return r
}

func subscribe(names ...string) deltaPart {
	return func(r *discoveryv3.DeltaDiscoveryRequest) { r.ResourceNamesSubscribe = names }
}

func unsubscribe(names ...string) deltaPart {
	return func(r *discoveryv3.DeltaDiscoveryRequest) { r.ResourceNamesUnsubscribe = names }
}

func ack(nonce string) deltaPart {
	return func(r *discoveryv3.DeltaDiscoveryRequest) { r.ResponseNonce = nonce }
}

func rejectDelta(typeURL, nonce string) *discoveryv3.DeltaDiscoveryRequest {
	r := delta(typeURL, ack(nonce))
	r.ErrorDetail = &status.Status{Code: 3, Message: "no good"}
	return r
}

func sotw(typeURL, nonce string, names ...string) *discoveryv3.DiscoveryRequest {
	return &discoveryv3.DiscoveryRequest{TypeUrl: typeURL, ResponseNonce: nonce, ResourceNames: names}
}

func reject(r *discoveryv3.DiscoveryRequest) *discoveryv3.DiscoveryRequest {
	r.ErrorDetail = &status.Status{Code: 3, Message: "no good"}
	return r
}

func deltaOf(typeURL, nonce string, parts ...any) *discoveryv3.DeltaDiscoveryResponse {
	r := &discoveryv3.DeltaDiscoveryResponse{TypeUrl: typeURL, Nonce: nonce}
	for _, part := range parts {
		switch part := part.(type) {
		case *discoveryv3.Resource:
			r.Resources = append(r.Resources, part)
		case removed:
			r.RemovedResources = append(r.RemovedResources, string(part))
		}
	}
	return r
}

type removed string

func sotwOf(typeURL, version, nonce string, resources ...*discoveryv3.Resource) *discoveryv3.DiscoveryResponse {
	r := &discoveryv3.DiscoveryResponse{TypeUrl: typeURL, VersionInfo: version, Nonce: nonce}
	for _, resource := range resources {
		r.Resources = append(r.Resources, resource.GetResource())
	}
	return r
}

func cluster(name string, version int) *discoveryv3.Resource {
	return resource(name, version, &clusterv3.Cluster{
		Name:                 name,
		AltStatName:          strings.Repeat("x", version),
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{},
	})
}

func assignment(name string, version int) *discoveryv3.Resource {
	return resource(name, version, &endpointv3.ClusterLoadAssignment{ClusterName: name})
}

func route(name, to string) *discoveryv3.Resource {
	action := &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: to}}}
	return resource(name, 1, &routev3.RouteConfiguration{
		Name:         name,
		VirtualHosts: []*routev3.VirtualHost{{Name: "all", Routes: []*routev3.Route{{Action: action}}}},
	})
}

func heartbeat(name string, version int) *discoveryv3.Resource {
	return &discoveryv3.Resource{Name: name, Version: strings.Repeat("1", version), Ttl: durationpb.New(1e9)}
}

func resource(name string, version int, m proto.Message) *discoveryv3.Resource {
	body, err := anypb.New(m)
	if err != nil {
		panic(err)
	}
	return &discoveryv3.Resource{Name: name, Version: strings.Repeat("1", version), Resource: body}
}
