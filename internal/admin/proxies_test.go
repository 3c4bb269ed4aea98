package admin

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/xds"
)

const shop = `kind: Service
name: users
ports: 8081
---
kind: Edge
name: public
listeners: [8000]
routes: [{to: users}]
`

// noon is when the tests look at a mesh, and started is when its server started.
var (
	noon    = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	started = noon.Add(-time.Hour)
)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func documentsOf(t *testing.T, text string) *config.Snapshot {
	t.Helper()
	s, problems, err := config.Load(fstest.MapFS{"mesh.yaml": {Data: []byte(text)}})
	if err != nil || problems != nil {
		t.Fatalf("documents: %v %v", problems, err)
	}
	return s
}

// registered returns a registry with instances of users, each with a proxy, by address.
func registered(t *testing.T, states map[string]registry.State) *registry.Snapshot {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	defer func() { cancel(); running.Wait() }()
	for address, state := range states {
		i := registry.Instance{
			Key:   registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)},
			State: state, Proxy: "sidecar/users/" + address,
		}
		if _, err := r.CheckIn(t.Context(), i.WithDefaults()); err != nil {
			t.Fatal(err)
		}
	}
	return r.Snapshot()
}

func node(t testing.TB, n mesh.Node, instance string) *xds.Node {
	t.Helper()
	proto, err := envoy.NodeProto(n, instance)
	if err != nil {
		t.Fatal(err)
	}
	return &xds.Node{ID: proto.Id, Cluster: proto.Cluster, Proto: proto}
}

func sidecar(t *testing.T, instance string) *xds.Node {
	return node(t, mesh.Node{Role: mesh.Sidecar, Service: "users"}, instance)
}

func edgeProxy(t *testing.T, instance string) *xds.Node {
	return node(t, mesh.Node{Role: mesh.EdgeProxy, Edge: "public"}, instance)
}

// stream returns an open stream with one type.
func stream(peer string, opened time.Time, t xds.TypeStatus) xds.StreamStatus {
	return xds.StreamStatus{StreamInfo: xds.StreamInfo{Peer: peer}, Opened: opened, Types: map[string]xds.TypeStatus{xds.ListenerType: t}}
}

// process changes a stream to one of the given process of a node.
func process(n int, s xds.StreamStatus) xds.StreamStatus {
	s.Process = n
	return s
}

var inSync = xds.TypeStatus{Sent: "a", Acknowledged: "a", InSync: true}

// look returns the mesh at noon, with every connected node's view compiled.
func look(t *testing.T, instances *registry.Snapshot, connected []xds.NodeStatus, left ...control.Gone) proxyView {
	t.Helper()
	state := &control.State{Documents: documentsOf(t, shop), Instances: instances}
	return proxyView{started: started, views: testViews{control.View{Revision: "r1"}, nil}, state: state, connected: connected, left: left, shown: &shown{}}
}

// testViews gives every node that identifies itself the same view.
type testViews struct {
	view    control.View
	origins map[xds.Ref][]mesh.Origin
}

func (v testViews) View(node *xds.Node) (mesh.Node, control.View, bool, error) {
	n, err := envoy.NodeFromMetadata(node.Proto)
	return n, v.view, err == nil, err
}

func (v testViews) Origins(*xds.Node) map[xds.Ref][]mesh.Origin { return v.origins }

// rows returns proxies in short form: "NODE STATE".
func rows(proxies []*shownProxy) []string {
	var rows []string
	for _, p := range proxies {
		rows = append(rows, p.Node+" "+string(p.State))
	}
	return rows
}

// kinds returns findings in short form: "KIND SUBJECT".
func kinds(found []api.Finding) []string {
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, string(f.Kind)+" "+f.Subject)
	}
	return kinds
}

// TestExpectedProxies has the state after a restart of the server: the registry knows all instances, and only some
// proxies have returned.
func TestExpectedProxies(t *testing.T) {
	instances := registered(t, map[string]registry.State{
		"10.0.0.1:9211": registry.Healthy,  // connected
		"10.0.0.2:9211": registry.Healthy,  // was never seen by this server
		"10.0.0.3:9211": registry.Healthy,  // disconnected a minute ago
		"10.0.0.4:9211": registry.Starting, // its Envoy may still start
		"10.0.0.5:9211": registry.Draining, // its Envoy may have ended
	})
	v := look(t, instances,
		[]xds.NodeStatus{{Node: sidecar(t, "10.0.0.1:9211"), Streams: []xds.StreamStatus{stream("10.0.0.1:5000", ago(time.Minute), inSync)}}},
		control.Gone{Node: sidecar(t, "10.0.0.3:9211"), At: ago(time.Minute)},
		control.Gone{Node: sidecar(t, "10.0.0.6:9211"), At: ago(2 * time.Minute)}, // it said goodbye: an orderly stop
		control.Gone{Node: sidecar(t, "10.0.0.1:9211"), At: ago(3 * time.Minute)}, // it came back
	)
	proxies, sum := v.proxies()
	want := []string{
		"sidecar/users/10.0.0.1:9211 in-sync",
		"sidecar/users/10.0.0.2:9211 missing",
		"sidecar/users/10.0.0.3:9211 missing",
		"sidecar/users/10.0.0.6:9211 left",
	}
	if diff := cmp.Diff(want, rows(proxies)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if want := (api.ProxySummary{Connected: 1, InSync: 1, Missing: 3}); sum != want { // the edge's too
		t.Errorf("summary %+v, want %+v", sum, want)
	}
	if p := proxies[1]; p.Service != "users" || p.Role != "sidecar" || !p.StateSince.Equal(started) {
		t.Errorf("the proxy that was never seen is %+v", p)
	}
	found := findings(api.Status{}, proxies, nil, v.missingEdges(proxies), noon)
	wantKinds := []string{"edge-missing public", "proxy-missing sidecar/users/10.0.0.2:9211", "proxy-missing sidecar/users/10.0.0.3:9211"}
	if diff := cmp.Diff(wantKinds, kinds(found)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// TestSharedInstances has a server that shares its instances with others: a proxy that is not connected to this server may
// be connected to another.
func TestSharedInstances(t *testing.T) {
	v := look(t, registered(t, map[string]registry.State{"10.0.0.1:9211": registry.Healthy, "10.0.0.2:9211": registry.Healthy}), nil,
		control.Gone{Node: sidecar(t, "10.0.0.2:9211"), At: ago(time.Minute)})
	v.state.Shared = true
	proxies, sum := v.proxies()
	if want := []string{"sidecar/users/10.0.0.2:9211 left"}; !slices.Equal(rows(proxies), want) || sum.Missing != 0 {
		t.Errorf("proxies %q, summary %+v: want %q and none missing", rows(proxies), sum, want)
	}
	if missing := v.missingEdges(proxies); missing != nil {
		t.Errorf("edges %q are missing", missing)
	}
}

// TestOneProxyServesAnEdge checks that there is no finding when one of an edge's proxies stops in an orderly way.
func TestOneProxyServesAnEdge(t *testing.T) {
	v := look(t, registered(t, nil),
		[]xds.NodeStatus{{Node: edgeProxy(t, "host1"), Streams: []xds.StreamStatus{stream("10.0.0.1:5000", ago(time.Minute), inSync)}}},
		control.Gone{Node: edgeProxy(t, "host2"), At: ago(time.Minute)})
	proxies, sum := v.proxies()
	if want := []string{"edge/public/host1 in-sync", "edge/public/host2 left"}; !slices.Equal(rows(proxies), want) || sum.Missing != 0 {
		t.Errorf("proxies %q, summary %+v", rows(proxies), sum)
	}
	if found := findings(api.Status{}, proxies, nil, v.missingEdges(proxies), noon); len(found) > 0 {
		t.Errorf("findings %+v, want none", found)
	}
}

// TestCopiedNodeID has two Envoys with one bootstrap. Both are shown. Once it is certain that the first one's
// connection is not broken, the copy is a finding.
func TestCopiedNodeID(t *testing.T) {
	rejected := xds.TypeStatus{Sent: "b", Acknowledged: "a", Rejected: &xds.Rejection{Type: xds.ListenerType, Version: "b", Message: "cannot bind", Time: ago(time.Minute)}}
	processes := map[bool]int{false: 1, true: 2} // another connection is another process
	for _, test := range []struct {
		name   string
		node   *xds.Node
		peers  []string
		opened time.Duration // before noon, of the second
		rows   int
		kinds  []string
	}{
		{"another connection", sidecar(t, "1"), []string{"10.0.0.1:5000", "10.0.0.1:5001"}, time.Hour, 2, []string{"duplicate-node sidecar/users/1", "proxy-rejected sidecar/users/1"}},
		{"perhaps a broken connection", sidecar(t, "1"), []string{"10.0.0.1:5000", "10.0.0.1:5001"}, time.Minute, 2, []string{"proxy-rejected sidecar/users/1"}},
		{"two streams of one connection", sidecar(t, "1"), []string{"10.0.0.1:5000", "10.0.0.1:5000"}, time.Hour, 1, []string{"proxy-rejected sidecar/users/1"}},
		{"one gRPC program", node(t, mesh.Node{Role: mesh.Proxyless, Service: "users"}, "1"), []string{"10.0.0.1:5000", "10.0.0.1:5001"}, time.Hour, 1, []string{"proxy-rejected proxyless/users/1"}},
		{"two gRPC programs", node(t, mesh.Node{Role: mesh.Proxyless, Service: "users"}, "1"), []string{"10.0.0.1:5000", "10.0.0.2:5001"}, time.Hour, 2, []string{"duplicate-node proxyless/users/1", "proxy-rejected proxyless/users/1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := look(t, registered(t, nil), []xds.NodeStatus{{Node: test.node, Streams: []xds.StreamStatus{
				process(1, stream(test.peers[0], ago(2*time.Hour), inSync)), process(processes[test.peers[0] != test.peers[1]], stream(test.peers[1], ago(test.opened), rejected)),
			}}})
			proxies, sum := v.proxies()
			if len(proxies) != test.rows || sum.Connected != test.rows || sum.InSync != test.rows-1 {
				t.Errorf("proxies %q, summary %+v: want %d", rows(proxies), sum, test.rows)
			}
			if got := kinds(findings(api.Status{}, proxies, nil, nil, noon)); !slices.Equal(got, test.kinds) {
				t.Errorf("findings %q, want %q", got, test.kinds)
			}
		})
	}
}

// TestProxyStates has each reason for not being in sync.
func TestProxyStates(t *testing.T) {
	users, other := sidecar(t, "1"), node(t, mesh.Node{Role: mesh.Sidecar, Service: "other"}, "1")
	rejection := &xds.Rejection{Type: xds.ListenerType, Version: "b", Message: "cannot bind\n", Time: ago(time.Minute), Names: []string{"ingress"}}
	removal := xds.Hold{Change: xds.Ref{Type: xds.ClusterType, Name: "old"}, Removal: true, WaitsFor: []xds.Ref{{Type: xds.RouteType, Name: "egress"}}, Since: ago(40 * time.Second)}
	for _, test := range []struct {
		name  string
		node  *xds.Node
		types xds.TypeStatus
		view  *control.View // of the node; nil keeps the usual one
		state api.ProxyState
		since time.Time
		why   string
		kinds []string
	}{
		{"in sync", users, inSync, nil, api.InSync, time.Time{}, "", nil},
		{"just sent", users, xds.TypeStatus{Sent: "b", Acknowledged: "a", SentAt: ago(time.Second)}, nil, api.Pending, ago(time.Second), "it has not acknowledged its newest listeners yet", nil},
		{"never acknowledged", users, xds.TypeStatus{Sent: "b", SentAt: ago(time.Minute)}, nil, api.Pending, ago(time.Minute), "it has not acknowledged its newest listeners yet", []string{"proxy-pending sidecar/users/1"}},
		{"nothing to send", users, xds.TypeStatus{}, nil, api.Pending, ago(time.Hour), "no listeners have been sent to it yet", []string{"proxy-pending sidecar/users/1"}},
		{"removal withheld", users, xds.TypeStatus{Sent: "b", Acknowledged: "b", SentAt: ago(time.Second), Held: []xds.Hold{removal}}, nil, api.Pending, ago(40 * time.Second), "removal of cluster old waits for route egress", []string{"proxy-pending sidecar/users/1"}},
		{"unknown state", users, xds.TypeStatus{Sent: "b", Acknowledged: "b", SentAt: ago(time.Second), Held: []xds.Hold{{Change: xds.Ref{Type: xds.EndpointType, Name: "*"}, Removal: true, Reason: "waits a moment", Since: ago(time.Second)}}}, nil, api.Pending, ago(time.Second), "removal of the endpoints that it had when it connected waits a moment", nil},
		{"recovering", users, xds.TypeStatus{Recovering: true}, nil, api.Pending, ago(time.Hour), "it keeps the listeners that it had when it connected, until", []string{"proxy-pending sidecar/users/1"}},
		{"rejected", users, xds.TypeStatus{Sent: "b", Acknowledged: "a", Rejected: rejection}, nil, api.Rejected, ago(time.Minute), "it rejected a change of its listeners and keeps the last one it accepted: cannot bind", []string{"proxy-rejected sidecar/users/1"}},
		{"rejected at first", users, xds.TypeStatus{Sent: "b", Rejected: rejection}, nil, api.Rejected, ago(time.Minute), "and has none yet: cannot bind", []string{"proxy-rejected sidecar/users/1"}},
		{"without manifest", other, inSync, &control.View{Err: errTest}, api.Unconfigured, ago(time.Hour), "it is sent nothing: test", []string{"proxy-unconfigured sidecar/other/1"}},
		{"cannot be compiled", users, inSync, &control.View{Err: errTest, Revision: "r0"}, api.Outdated, ago(time.Hour), "it keeps revision r0: test", []string{"proxy-outdated sidecar/users/1"}},
		{"being compiled", users, inSync, &control.View{Revision: "r1", Behind: true}, api.Pending, time.Time{}, "its new configuration is being compiled", nil},
		{"says nothing of itself", &xds.Node{ID: "stranger"}, inSync, nil, api.Unconfigured, ago(time.Hour), `metadata has no "doyen"`, []string{"proxy-unconfigured stranger"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := look(t, registered(t, nil), []xds.NodeStatus{{Node: test.node, Streams: []xds.StreamStatus{stream("10.0.0.1:5000", ago(time.Hour), test.types)}}})
			if test.view != nil {
				v.views = testViews{*test.view, nil}
			}
			proxies, _ := v.proxies()
			p := proxies[0]
			if p.State != test.state || !p.StateSince.Equal(test.since) || p.InSync != (test.state == api.InSync) {
				t.Errorf("state %s since %v, in sync %v; want %s since %v", p.State, p.StateSince, p.InSync, test.state, test.since)
			}
			if !strings.Contains(p.Why, test.why) || (p.Why == "") != (test.why == "") {
				t.Errorf("why %q, want %q", p.Why, test.why)
			}
			if got := kinds(findings(api.Status{}, proxies, nil, nil, noon)); !slices.Equal(got, test.kinds) {
				t.Errorf("findings %q, want %q", got, test.kinds)
			}
		})
	}
}

// TestRejectionOutweighsWaiting checks that the cause is explained, and not what waits for it.
func TestRejectionOutweighsWaiting(t *testing.T) {
	s := stream("10.0.0.1:5000", ago(time.Hour), xds.TypeStatus{Sent: "b", Acknowledged: "a", Rejected: &xds.Rejection{Type: xds.ListenerType, Message: "no", Time: ago(time.Minute)}})
	s.Types[xds.ClusterType] = xds.TypeStatus{Sent: "b", Acknowledged: "a", SentAt: ago(2 * time.Minute)}
	proxies, _ := look(t, registered(t, nil), []xds.NodeStatus{{Node: sidecar(t, "1"), Streams: []xds.StreamStatus{s}}}).proxies()
	if p := proxies[0]; p.State != api.Rejected || !strings.Contains(p.Why, "rejected a change of its listeners") || len(p.Types) != 2 {
		t.Errorf("proxy %+v", p)
	}
}

// TestRejectionNamesItsDocument checks that a rejected resource leads to the line that caused it.
func TestRejectionNamesItsDocument(t *testing.T) {
	s := stream("10.0.0.1:5000", ago(time.Hour), xds.TypeStatus{Rejected: &xds.Rejection{Type: xds.ListenerType, Names: []string{"ingress", "egress", "unknown"}, Time: noon}})
	v := look(t, registered(t, nil), []xds.NodeStatus{{Node: sidecar(t, "1"), Streams: []xds.StreamStatus{s}}})
	v.views = testViews{control.View{Revision: "r1"}, map[xds.Ref][]mesh.Origin{
		{Type: xds.ListenerType, Name: "ingress"}: {{File: "users.yaml", Line: 3}},
		{Type: xds.ListenerType, Name: "egress"}:  {{File: "users.yaml", Line: 3}},
	}}
	proxies, _ := v.proxies()
	if got := proxies[0].Types["listeners"].Rejected.Origins; !slices.Equal(got, []string{"users.yaml:3"}) {
		t.Errorf("origins %q", got)
	}
}
