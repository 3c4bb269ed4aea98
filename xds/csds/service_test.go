package csds_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	statusv3 "github.com/envoyproxy/go-control-plane/envoy/service/status/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/csds"
)

// patience is how long a test waits for something that should happen at once.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestStates(t *testing.T) {
	f := serve(t)
	f.publish("web", "a=1", "b=1")
	web := f.connect("web", xds.ClusterType)

	u := web.next()
	f.expect("web", "web", "a=1 STALE", "b=1 STALE")
	u.Accept()
	f.expect("web", "web", "a=1 SYNCED", "b=1 SYNCED")

	f.publish("web", "a=2", "b=1")
	u = web.next()
	f.publish("web", "a=2", "b=2", "c=2")
	f.expect("web", "web", "a=2 STALE", "b=2 NOT_SENT", "c=2 NOT_SENT")
	u.Reject(errors.New("a is bad"))
	u = web.next()
	f.expect("web", "web", "a=2 ERROR a is bad", "b=2 STALE", "c=2 STALE")
	u.Accept()
	f.expect("web", "web", "a=2 ERROR a is bad", "b=2 SYNCED", "c=2 SYNCED")

	f.publish("web", "a=3", "c=2")
	u = web.next()
	f.expect("web", "web", "a=3 STALE", "b= STALE", "c=2 SYNCED")
	u.Accept()
	f.expect("web", "web", "a=3 SYNCED", "c=2 SYNCED")

	f.cache.Remove("web") // nothing is published any more: clients keep what they have
	f.expect("web", "web", "a=3 SYNCED", "c=2 SYNCED")
}

// Of a resource that was refused before another one, the reason is no longer known: that of the other is not shown.
func TestReasonIsOfTheLatest(t *testing.T) {
	f := serve(t)
	f.publish("web", "a=1")
	web := f.connect("web", xds.ClusterType)
	web.next().Reject(errors.New("a is bad"))
	f.expect("web", "web", "a=1 ERROR a is bad")
	f.publish("web", "a=1", "b=1")
	web.next().Reject(errors.New("b is bad"))
	f.expect("web", "web", "a=1 ERROR ", "b=1 ERROR b is bad")
}

func TestMatchers(t *testing.T) {
	f := serve(t)
	for _, id := range []string{"web-1", "web-2", "edge-1", "idle"} {
		f.publish(id, id+"=1")
		c := f.connect(id, xds.ClusterType)
		c.next().Accept()
		f.expect(id, id, id+"=1 SYNCED")
	}
	tests := map[string]struct {
		matchers []*matcherv3.NodeMatcher
		want     string
	}{
		"all":         {nil, "web-1 web-2 edge-1 idle"},
		"one":         {[]*matcherv3.NodeMatcher{prefix("edge")}, "edge-1"},
		"any of them": {[]*matcherv3.NodeMatcher{prefix("edge"), prefix("web")}, "web-1 web-2 edge-1"},
		"nobody":      {[]*matcherv3.NodeMatcher{prefix("x")}, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			response, err := f.status.FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{NodeMatchers: test.matchers})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range response.Config {
				got = append(got, c.Node.Id)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("nodes (-want +got):\n%s", diff)
			}
		})
	}
	_, err := f.status.FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{NodeMatchers: []*matcherv3.NodeMatcher{{NodeId: &matcherv3.StringMatcher{}}}})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a matcher without a pattern: %v", err)
	}
}

func TestContents(t *testing.T) {
	f := serve(t)
	f.cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "1"), resource(xds.SecretType, "key", "private")))
	c := f.connect("n", xds.ClusterType)
	c.next().Accept()
	c.Subscribe(xds.SecretType, "key")
	c.next().Accept()
	f.expect("n", "n", "a=1 SYNCED", "key= SYNCED")
	response, err := f.status.FetchClientStatus(t.Context(), &statusv3.ClientStatusRequest{ExcludeResourceContents: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range response.Config[0].GenericXdsConfigs {
		if g.XdsConfig != nil || g.VersionInfo == "" {
			t.Errorf("without contents there is %v", g)
		}
	}
}

// Several streams of a node are one client.
func TestStreamsOfANode(t *testing.T) {
	f := serve(t)
	f.cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "a", "1"), resource(xds.EndpointType, "e", "1")))
	f.connect("n", xds.ClusterType).next().Accept()
	second := f.connect("n", xds.EndpointType)
	second.next().Accept()
	f.expect("n", "n", "a=1 SYNCED", "e=1 SYNCED")
	third := f.connect("n", xds.ClusterType)
	third.next()
	f.expect("n", "n", "a=1 STALE", "e=1 SYNCED")
}

func TestStream(t *testing.T) {
	f := serve(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	stream, err := f.status.StreamClientStatus(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []int{0, 1} {
		if want == 1 {
			f.publish("n", "a=1")
			f.connect("n", xds.ClusterType).next().Accept()
		}
		if err := stream.Send(&statusv3.ClientStatusRequest{}); err != nil {
			t.Fatal(err)
		}
		response, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if len(response.Config) != want {
			t.Errorf("%d clients, want %d", len(response.Config), want)
		}
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if r, err := stream.Recv(); err == nil {
		t.Errorf("after the end came %v", r)
	}
}

func prefix(p string) *matcherv3.NodeMatcher {
	return &matcherv3.NodeMatcher{NodeId: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: p}}}
}

func resource(typeURL, name, body string) *xds.Resource {
	return xds.NewResource(typeURL, name, []byte(body), xds.ResourceOptions{})
}

// fixture is a server of a snapshot cache and a client of its status.
type fixture struct {
	t       *testing.T
	cache   *xds.SnapshotCache
	address string
	status  statusv3.ClientStatusDiscoveryServiceClient
}

func serve(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, cache: xds.NewSnapshotCache(xds.SnapshotCacheOptions{})}
	server := xds.NewServer(f.cache, xds.ServerOptions{})
	g := grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g)
	csds.Register(g, server)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.address = listener.Addr().String()
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	t.Cleanup(func() {
		server.Shutdown()
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	f.status = statusv3.NewClientStatusDiscoveryServiceClient(f.dial())
	return f
}

func (f *fixture) dial() *grpc.ClientConn {
	f.t.Helper()
	connection, err := grpc.NewClient(f.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { connection.Close() })
	return connection
}

// publish makes clusters, given as name=body, all that a node has.
func (f *fixture) publish(node string, clusters ...string) {
	var all []*xds.Resource
	for _, c := range clusters {
		name, body, _ := strings.Cut(c, "=")
		all = append(all, resource(xds.ClusterType, name, body))
	}
	f.cache.Publish(node, xds.NewSnapshot(all...))
}

// proxy is a client whose updates the test answers.
type proxy struct {
	*client.Client
	t       *testing.T
	updates chan *client.Update
}

// connect runs a client that asks for all of a type, or, where names are usual, for "e".
func (f *fixture) connect(node, typeURL string) *proxy {
	f.t.Helper()
	p := &proxy{t: f.t, updates: make(chan *client.Update, 100)}
	p.Client = client.New(f.dial(), client.Options{Node: &corev3.Node{Id: node}, Handle: func(u *client.Update) { p.updates <- u }})
	if typeURL == xds.EndpointType {
		p.Subscribe(typeURL, "e")
	} else {
		p.Subscribe(typeURL, client.Wildcard)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(ctx)
	}()
	f.t.Cleanup(func() {
		cancel()
		<-ended
	})
	return p
}

func (p *proxy) next() *client.Update {
	p.t.Helper()
	select {
	case u := <-p.updates:
		return u
	case <-time.After(patience):
		p.t.Fatal("no update")
		return nil
	}
}

// expect waits until the service says so of the nodes whose ID begins with prefix: the IDs, then each
// resource as name=body, its state, and why it was refused.
func (f *fixture) expect(nodes string, want ...string) {
	f.t.Helper()
	var diff string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		response, err := f.status.FetchClientStatus(f.t.Context(), &statusv3.ClientStatusRequest{NodeMatchers: []*matcherv3.NodeMatcher{prefix(nodes)}})
		if err != nil {
			f.t.Fatal(err)
		}
		if diff = cmp.Diff(want, describe(response)); diff == "" {
			return
		}
	}
	f.t.Fatalf("status (-want +got):\n%s", diff)
}

func describe(r *statusv3.ClientStatusResponse) []string {
	var lines []string
	for _, c := range r.Config {
		lines = append(lines, c.Node.Id)
		for _, g := range c.GenericXdsConfigs {
			line := fmt.Sprintf("%s=%s %s", g.Name, g.GetXdsConfig().GetValue(), g.ConfigStatus)
			if g.ErrorState != nil {
				line += " " + g.ErrorState.Details
			}
			lines = append(lines, line)
		}
	}
	return lines
}
