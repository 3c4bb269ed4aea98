package control

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/doyen-mesh/doyen/internal/compile"
	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/envoy"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/report"
	"github.com/doyen-mesh/doyen/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder holds documents that a test changes.
type folder struct {
	mu      sync.Mutex
	now     *config.Snapshot
	changed chan struct{}
}

func (f *folder) Accepted() (*config.Snapshot, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now, f.changed
}

// written is documents as people write them.
type written interface{ files() fstest.MapFS }

// set replaces the accepted documents.
func (f *folder) set(t *testing.T, documents written) {
	t.Helper()
	s, problems, err := config.Load(documents.files())
	if err != nil || problems != nil {
		t.Fatalf("documents: %v %v", problems, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed != nil {
		close(f.changed)
	}
	f.now, f.changed = s, make(chan struct{})
}

// scene is a running Control with its inputs.
type scene struct {
	*Control
	t         *testing.T
	documents *folder
	registry  *registry.Registry
	reports   *report.Collector
}

// with returns a Control with the scene's inputs that does not run yet.
func (s *scene) with(documents Documents) *Control {
	s.reports = report.NewCollector()
	return New(Inputs{Documents: documents, Instances: s.registry, Reports: s.reports}, slog.New(slog.DiscardHandler))
}

func start(t *testing.T, documents written) *scene {
	t.Helper()
	f := &folder{}
	f.set(t, documents)
	s := startWith(t, Everywhere(f))
	s.documents = f
	return s
}

func startWith(t *testing.T, documents Documents) *scene {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, registry: r}
	s.Control = s.with(documents)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = r.Run(ctx) })
	parts.Go(func() { _ = s.Run(ctx) })
	t.Cleanup(func() { cancel(); parts.Wait() })
	<-s.Ready()
	return s
}

// checkIn adds an instance of users.
func (s *scene) checkIn(address string, state registry.State) {
	s.t.Helper()
	i := registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)}, State: state}
	if _, err := s.registry.CheckIn(s.t.Context(), i.WithDefaults()); err != nil {
		s.t.Fatal(err)
	}
}

// until waits for a state that fits.
func (s *scene) until(what string, fits func(*State) bool) *State {
	s.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		state := s.State()
		if fits(state) {
			return state
		}
		select {
		case <-state.stale:
		case <-deadline:
			s.t.Fatalf("not within 10 s: %s", what)
		}
	}
}

// view waits until the status of a view fits.
func (s *scene) view(key, what string, fits func(View) bool) View {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if view, _, ok := s.views.get(key); ok && fits(view) {
			return view
		}
		if time.Now().After(deadline) {
			view, _, ok := s.views.get(key)
			s.t.Fatalf("not within 10 s: %s; the view is %+v, %t", what, view, ok)
		}
	}
}

// upToDate reports whether a view has the documents in force.
func (s *scene) upToDate(v View) bool {
	return v.Err == nil && !v.Behind && v.Revision == s.State().Documents.Revision
}

// eventually waits for a condition that no channel announces.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}

func sidecar(t *testing.T, service mesh.ServiceName) *xds.Node {
	t.Helper()
	return node(t, mesh.Node{Role: mesh.Sidecar, Service: service})
}

func node(t *testing.T, n mesh.Node) *xds.Node {
	t.Helper()
	proto, err := envoy.NodeProto(n, "1")
	if err != nil {
		t.Fatal(err)
	}
	return &xds.Node{ID: proto.Id, Cluster: proto.Cluster, Proto: proto}
}

const (
	webCallsUsers oneFile = "kind: Service\nname: web\nports: 8080\ncalls: users\n---\nkind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\n"
	webAlone      oneFile = "kind: Service\nname: web\nports: 8080\n"
)

func TestViewIsPublishedWhenAskedFor(t *testing.T) {
	s := start(t, webCallsUsers)
	node := sidecar(t, "web")
	key := s.views.keyOf(node)
	s.view(key, "the view of web", s.upToDate)
	users := xds.Ref{Type: xds.ClusterType, Name: "users"}
	if s.snapshots.Snapshot(key).Get(users) == nil {
		t.Error("the snapshot has no cluster users")
	}
	if origins := fmt.Sprint(s.Origins(node)[users]); origins != "[mesh.yaml:4:8 mesh.yaml:8:9]" {
		t.Errorf("the cluster comes from %v: want the call in line 4 and the port in line 8", origins)
	}
	if origins := fmt.Sprint(s.Origins(node)[xds.Ref{Type: xds.EndpointType, Name: "admin.users"}]); origins != "[mesh.yaml:4:8 mesh.yaml:8:15]" {
		t.Errorf("the assignment comes from %v: want the call in line 4 and the port in line 8", origins)
	}
}

func TestServiceWithoutManifestIsSentNothing(t *testing.T) {
	s := start(t, webAlone)
	key := s.views.keyOf(sidecar(t, "users"))
	view := s.view(key, "the view of users", func(v View) bool { return v.Err != nil })
	if !errors.Is(view.Err, compile.ErrNoDocument) || view.Revision != "" || s.snapshots.Snapshot(key) != nil {
		t.Errorf("error %v, revision %q, snapshot %v: want no document and no snapshot", view.Err, view.Revision, s.snapshots.Snapshot(key))
	}
	s.documents.set(t, webCallsUsers)
	s.view(key, "the manifest in force", s.upToDate)
	if s.snapshots.Snapshot(key) == nil {
		t.Error("there is no snapshot though there is a manifest")
	}
}

// TestRemovedServiceWithoutProxies removes a service: no view is left that cannot be compiled and that nobody waits
// for.
func TestRemovedServiceWithoutProxies(t *testing.T) {
	s := start(t, webCallsUsers)
	node := sidecar(t, "users")
	s.views.open(node)
	key := s.views.keyOf(node)
	s.view(key, "the view of users", s.upToDate)
	s.views.close(node)
	s.documents.set(t, webAlone)
	s.gone(key)
}

// gone waits until there is no view of that key.
func (s *scene) gone(key string) {
	s.t.Helper()
	eventually(s.t, "the view is gone", func() bool {
		_, _, ok := s.views.get(key)
		return !ok && s.snapshots.Snapshot(key) == nil
	})
}

func TestRemovedServiceKeepsItsProxies(t *testing.T) {
	s := start(t, webCallsUsers)
	node := sidecar(t, "users")
	s.views.open(node)
	key := s.views.keyOf(node)
	before := s.view(key, "the view of users", s.upToDate)
	snapshot := s.snapshots.Snapshot(key)
	s.documents.set(t, webAlone)
	after := s.view(key, "the removal", func(v View) bool { return v.Err != nil })
	if s.snapshots.Snapshot(key) != snapshot || after.Revision != before.Revision {
		t.Errorf("the proxies of a removed service got revision %s: want them to keep %s", after.Revision, before.Revision)
	}
	if s.endpoints.Get("users") == nil {
		t.Error("the assignment is gone that the proxies of the removed service may still use")
	}
	if s.Failed() != 1 {
		t.Errorf("%d views have failed: want 1", s.Failed())
	}

	s.documents.set(t, webCallsUsers)
	s.view(key, "the service again", s.upToDate)
	if s.Failed() != 0 {
		t.Errorf("%d views have failed: want none", s.Failed())
	}
}

func TestInstancesDoNotCompile(t *testing.T) {
	s := start(t, webCallsUsers)
	key := s.views.keyOf(sidecar(t, "web"))
	s.view(key, "the view of web", s.upToDate)
	snapshot := s.snapshots.Snapshot(key)
	empty := s.endpoints.Get("users")
	if empty == nil || s.endpoints.Get("admin.users") == nil || s.endpoints.Get("web") == nil {
		t.Fatal("a service without instances has no explicit, empty assignment")
	}

	s.checkIn("10.0.0.7:9211", registry.Starting)
	names, err := s.Published(t.Context(), "users")
	if err != nil || len(names) != 2 {
		t.Fatalf("published %v, %v: want both assignments of users", names, err)
	}
	if s.endpoints.Get("users").Version() != empty.Version() {
		t.Error("an instance that starts is an endpoint")
	}
	s.checkIn("10.0.0.7:9211", registry.Healthy)
	if _, err := s.Published(t.Context(), "users"); err != nil {
		t.Fatal(err)
	}
	if s.endpoints.Get("users").Version() == empty.Version() {
		t.Error("a healthy instance is no endpoint")
	}
	if s.snapshots.Snapshot(key) != snapshot {
		t.Error("an instance made the view be compiled again")
	}
}

func TestRemovedServiceLosesItsAssignments(t *testing.T) {
	s := start(t, webCallsUsers)
	s.documents.set(t, webAlone)
	s.until("the removal", func(s *State) bool { return s.Documents.Documents.Services.Len() == 1 })
	if s.endpoints.Get("users") != nil || s.endpoints.Get("admin.users") != nil || s.endpoints.Get("web") == nil {
		t.Error("want the assignment of web and no other")
	}
}

func TestUnusedViewsAreForgotten(t *testing.T) {
	s := start(t, webCallsUsers)
	first, second := sidecar(t, "web"), sidecar(t, "web")
	s.views.open(first)
	s.views.open(second)
	key := s.views.keyOf(first)
	if other := s.views.keyOf(second); other != key {
		t.Fatalf("equal nodes have the views %s and %s", key, other)
	}
	s.views.close(first)
	if len(s.Gone()) != 0 {
		t.Error("a node with another stream is gone")
	}
	if unused := s.views.sweep(time.Now().Add(time.Second), nil); len(unused) != 0 {
		t.Error("a view with a node was forgotten")
	}
	s.views.close(second)
	if gone := s.Gone(); len(gone) != 1 || gone[0].Node.ID != second.ID {
		t.Errorf("gone are %v: want the node", gone)
	}
	if unused := s.views.sweep(time.Now().Add(time.Second), nil); len(unused) != 1 || len(s.Gone()) != 0 {
		t.Error("a view without nodes is kept")
	}
}

// TestZoneIsInNoView checks that nodes that differ only in their zones share a view: the zone changes no resource.
func TestZoneIsInNoView(t *testing.T) {
	s := start(t, webCallsUsers)
	here, there := sidecar(t, "web"), node(t, mesh.Node{Role: mesh.Sidecar, Service: "web", Zone: "zone-b"})
	if s.views.keyOf(here) != s.views.keyOf(there) {
		t.Error("nodes of two zones have different views")
	}
	n, _, _, err := s.View(there)
	if err != nil || n.Zone != "zone-b" {
		t.Errorf("the node is %+v, %v: want its zone to be known", n, err)
	}
}

// TestFetchHoldsNoView fetches without a stream. The end of a fetch is not announced, so its view is kept for a
// while, like one that has just lost its last node.
func TestFetchHoldsNoView(t *testing.T) {
	s := start(t, webCallsUsers)
	server := xds.NewServer(s.Source(), xds.ServerOptions{Callbacks: s.Callbacks()})
	defer server.Shutdown()
	node := sidecar(t, "web")
	body, err := protojson.Marshal(&discoveryv3.DiscoveryRequest{Node: node.Proto})
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() int {
		answer := httptest.NewRecorder()
		server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v3/discovery:clusters", bytes.NewReader(body)))
		return answer.Code
	}
	fetch()
	s.view(identify(node).key, "the view of web", s.upToDate)
	if status := fetch(); status != http.StatusOK {
		t.Errorf("the fetch is answered with status %d", status)
	}
	if unused := s.views.sweep(time.Now().Add(time.Second), nil); len(unused) != 1 {
		t.Error("the view of a client that only fetched is kept for ever")
	}
}

func TestStrangerHasNoView(t *testing.T) {
	s := start(t, webCallsUsers)
	if key := s.views.keyOf(&xds.Node{ID: "stranger"}); key != "" || len(s.views.uses) != 0 {
		t.Errorf("a node that does not say who it is has the view %q", key)
	}
}

// TestWhatAProgramCannotReach checks that such a target is shown, and delays nothing else.
func TestWhatAProgramCannotReach(t *testing.T) {
	s := start(t, oneFile("kind: Service\nname: users\nports: 9090/grpc\n---\nkind: Service\nname: desk\ncalls: [users, ledger]\n---\nkind: External\nname: ledger\nprotocol: tcp\nhost: ledger.example.com\nport: 5432\n"))
	key := s.views.keyOf(node(t, mesh.Node{Role: mesh.Proxyless, Service: "desk"}))
	view := s.view(key, "the view of desk", s.upToDate)
	if len(view.Unreachable) != 1 || view.Unreachable[0].Target.Name != "ledger" || view.Err != nil {
		t.Errorf("unreachable are %+v, error %v: want the ledger", view.Unreachable, view.Err)
	}
	if s.snapshots.Snapshot(key).Get(xds.Ref{Type: xds.ListenerType, Name: "users"}) == nil {
		t.Error("the program has no listener for what it can reach")
	}
}

// TestNodesAreDecodedOnce checks that a node's metadata is decoded when its first stream opens, and not at each
// query.
func TestNodesAreDecodedOnce(t *testing.T) {
	v, n := newViews(), sidecar(t, "users")
	want := identify(n)
	v.open(n)
	for _, state := range []string{"connected", "left"} {
		if got := v.identity(n); got.key != want.key || got.node.Service != "users" {
			t.Errorf("%s: identity %+v, want %+v", state, got, want)
		}
		if cost := testing.AllocsPerRun(100, func() { v.identity(n) }); cost > 0 {
			t.Errorf("%s: %v allocations", state, cost)
		}
		v.close(n)
	}
}

// TestNodesThatLeftAreBounded connects with ever new node IDs, as any client can.
func TestNodesThatLeftAreBounded(t *testing.T) {
	v := newViews()
	proto := sidecar(t, "users").Proto
	for n := range maxGone + 100 {
		node := &xds.Node{ID: fmt.Sprint("sidecar/users/", n), Proto: proto}
		v.open(node)
		v.close(node)
	}
	if n := len(v.left()); n != maxGone {
		t.Errorf("%d nodes that left are remembered, want %d", n, maxGone)
	}
}
