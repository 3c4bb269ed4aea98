package control

import (
	"bytes"
	"context"
	"errors"
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
	"github.com/doyen-mesh/doyen/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// folder is documents that a test changes.
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

// set makes other documents the accepted ones.
func (f *folder) set(t *testing.T, documents string) {
	t.Helper()
	s, problems, err := config.Load(fstest.MapFS{"mesh.yaml": {Data: []byte(documents)}})
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
}

func start(t *testing.T, documents string) *scene {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &scene{t: t, documents: &folder{}, registry: r}
	s.documents.set(t, documents)
	s.Control = New(s.documents, r, slog.New(slog.DiscardHandler))
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

func sidecar(t *testing.T, service mesh.ServiceName) *xds.Node {
	t.Helper()
	proto, err := envoy.NodeProto(mesh.Node{Role: mesh.Sidecar, Service: service}, "1")
	if err != nil {
		t.Fatal(err)
	}
	return &xds.Node{ID: proto.Id, Cluster: proto.Cluster, Proto: proto}
}

const (
	webCallsUsers = "kind: Service\nname: web\nports: 8080\ncalls: users\n---\nkind: Service\nname: users\nports: [8080, {name: admin, port: 8081}]\n"
	webAlone      = "kind: Service\nname: web\nports: 8080\n"
)

func TestViewIsPublishedWhenAskedFor(t *testing.T) {
	s := start(t, webCallsUsers)
	key := s.views.of(sidecar(t, "web"))
	state := s.until("the view of web", func(s *State) bool { return s.Views[key] != nil })
	view := state.Views[key]
	if view.Err != nil || view.Revision != state.Documents.Revision {
		t.Errorf("the view is %+v", view)
	}
	users := xds.Ref{Type: xds.ClusterType, Name: "users"}
	if s.snapshots.Snapshot(key).Get(users) == nil {
		t.Error("the snapshot has no cluster users")
	}
	if origin := view.Origins[users]; origin.File != "mesh.yaml" || origin.Line != 4 {
		t.Errorf("the cluster comes from %v: want the call in mesh.yaml:4", origin)
	}
}

func TestServiceWithoutManifestIsSentNothing(t *testing.T) {
	s := start(t, webAlone)
	key := s.views.of(sidecar(t, "users"))
	state := s.until("the view of users", func(s *State) bool { return s.Views[key] != nil })
	if err := state.Views[key].Err; !errors.Is(err, compile.ErrNoDocument) || s.snapshots.Snapshot(key) != nil {
		t.Errorf("error %v, snapshot %v: want no document and no snapshot", err, s.snapshots.Snapshot(key))
	}
	s.documents.set(t, webCallsUsers)
	s.until("the manifest in force", func(s *State) bool { return s.Views[key].Err == nil })
	if s.snapshots.Snapshot(key) == nil {
		t.Error("there is no snapshot though there is a manifest")
	}
}

// TestRemovedServiceWithoutProxies leaves no view behind that cannot be compiled: nobody waits for it.
func TestRemovedServiceWithoutProxies(t *testing.T) {
	s := start(t, webCallsUsers)
	node := sidecar(t, "users")
	key := s.views.of(node)
	s.views.hold(node)
	s.until("the view of users", func(s *State) bool { return s.Views[key] != nil })
	s.views.release(node)
	s.documents.set(t, webAlone)
	state := s.until("the removal", func(s *State) bool { return len(s.Documents.Documents.Services) == 1 })
	if view := state.Views[key]; view != nil {
		t.Errorf("the view of a service without manifest and proxies stays, with the error %v", view.Err)
	}
}

func TestRemovedServiceKeepsItsProxies(t *testing.T) {
	s := start(t, webCallsUsers)
	node := sidecar(t, "users")
	key := s.views.of(node)
	s.views.hold(node)
	before := s.until("the view of users", func(s *State) bool { return s.Views[key] != nil }).Views[key]
	snapshot := s.snapshots.Snapshot(key)
	s.documents.set(t, webAlone)
	after := s.until("the removal", func(s *State) bool { return s.Views[key].Err != nil }).Views[key]
	if s.snapshots.Snapshot(key) != snapshot || after.Revision != before.Revision {
		t.Errorf("the proxies of a removed service got revision %s: want them to keep %s", after.Revision, before.Revision)
	}
}

func TestInstancesDoNotCompile(t *testing.T) {
	s := start(t, webCallsUsers)
	key := s.views.of(sidecar(t, "web"))
	view := s.until("the view of web", func(s *State) bool { return s.Views[key] != nil }).Views[key]
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
	if s.State().Views[key] != view {
		t.Error("an instance made the view be compiled again")
	}
}

func TestRemovedServiceLosesItsAssignments(t *testing.T) {
	s := start(t, webCallsUsers)
	s.documents.set(t, webAlone)
	s.until("the removal", func(s *State) bool { return len(s.Documents.Documents.Services) == 1 })
	if s.endpoints.Get("users") != nil || s.endpoints.Get("admin.users") != nil || s.endpoints.Get("web") == nil {
		t.Error("want the assignment of web and no other")
	}
}

func TestUnusedViewsAreForgotten(t *testing.T) {
	s := start(t, webCallsUsers)
	first, second := sidecar(t, "web"), sidecar(t, "web")
	key := s.views.of(first)
	if other := s.views.of(second); other != key {
		t.Fatalf("equal nodes have the views %s and %s", key, other)
	}
	s.views.hold(first)
	s.views.hold(second)
	s.views.release(first)
	if len(s.Gone()) != 0 {
		t.Error("a node with another stream is gone")
	}
	s.views.sweep(time.Now().Add(time.Second))
	if _, kept := s.views.wanted()[key]; !kept {
		t.Error("a view with a node was forgotten")
	}
	s.views.release(second)
	if gone := s.Gone(); len(gone) != 1 || gone[0].Node.ID != second.ID {
		t.Errorf("gone are %v: want the node", gone)
	}
	s.views.sweep(time.Now().Add(time.Second))
	if _, kept := s.views.wanted()[key]; kept || len(s.Gone()) != 0 {
		t.Error("a view without nodes is kept")
	}
}

// A fetch has no end that is told: it keeps its view for a while, as one that has just lost its last node.
func TestFetchHoldsNoView(t *testing.T) {
	s := start(t, webCallsUsers)
	server := xds.NewServer(s.Source(), xds.ServerOptions{Callbacks: s.Callbacks()})
	defer server.Shutdown()
	body, err := protojson.Marshal(&discoveryv3.DiscoveryRequest{Node: sidecar(t, "web").Proto})
	if err != nil {
		t.Fatal(err)
	}
	fetch := func() int {
		answer := httptest.NewRecorder()
		server.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/v3/discovery:clusters", bytes.NewReader(body)))
		return answer.Code
	}
	fetch()
	s.until("the view of web", func(s *State) bool { return len(s.Views) == 1 })
	if status := fetch(); status != http.StatusOK {
		t.Errorf("the fetch is answered with status %d", status)
	}
	s.views.sweep(time.Now().Add(time.Second))
	if len(s.views.wanted()) != 0 {
		t.Error("the view of a client that only fetched is kept for ever")
	}
}

func TestStrangerHasNoView(t *testing.T) {
	s := start(t, webCallsUsers)
	if key := s.views.of(&xds.Node{ID: "stranger"}); key != "" || len(s.views.wanted()) != 0 {
		t.Errorf("a node that does not say who it is has the view %q", key)
	}
}

// TestWhatAProgramCannotReach is shown, and keeps nothing else from being published.
func TestWhatAProgramCannotReach(t *testing.T) {
	s := start(t, "kind: Service\nname: users\nports: 9090/grpc\n---\nkind: Service\nname: desk\ncalls: [users, ledger]\n---\nkind: External\nname: ledger\nprotocol: tcp\nhost: ledger.example.com\nport: 5432\n")
	proto, err := envoy.NodeProto(mesh.Node{Role: mesh.Proxyless, Service: "desk"}, "1")
	if err != nil {
		t.Fatal(err)
	}
	key := s.views.of(&xds.Node{ID: proto.Id, Proto: proto})
	view := s.until("the view of desk", func(s *State) bool { return s.Views[key] != nil }).Views[key]
	if len(view.Unreachable) != 1 || view.Unreachable[0].Target.Name != "ledger" || view.Err != nil {
		t.Errorf("unreachable are %+v, error %v: want the ledger", view.Unreachable, view.Err)
	}
	if s.snapshots.Snapshot(key).Get(xds.Ref{Type: xds.ListenerType, Name: "users"}) == nil {
		t.Error("the program has no listener for what it can reach")
	}
}
