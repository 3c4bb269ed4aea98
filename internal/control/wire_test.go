package control

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/internal/config"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// serve runs an xDS server over s for the length of the test and returns a connection to it.
func (s *scene) serve() *grpc.ClientConn {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	server := xds.NewServer(s.Source(), xds.ServerOptions{Callbacks: s.reports.Callbacks(s.Callbacks()), IsolateRejected: true})
	g := grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g)
	ctx, cancel := context.WithCancel(context.Background())
	var parts sync.WaitGroup
	parts.Go(func() { _ = g.Serve(listener) })
	parts.Go(func() { _ = server.Run(ctx) })
	s.t.Cleanup(func() {
		server.Shutdown()
		g.Stop()
		cancel()
		parts.Wait()
	})
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// subscriber is a client, with the versions of the clusters that it has.
type subscriber struct {
	t       *testing.T
	mu      sync.Mutex
	has     map[string]string
	updates int
	refuse  bool
}

// subscribe subscribes to all clusters as one node.
func (s *scene) subscribe(conn *grpc.ClientConn, n mesh.Node, id string) *subscriber {
	s.t.Helper()
	proto := node(s.t, n).Proto
	proto.Id = id
	sub := &subscriber{t: s.t, has: map[string]string{}}
	c := client.New(conn, client.Options{Node: proto, Handle: sub.take})
	c.Subscribe(xds.ClusterType, client.Wildcard)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Run(ctx)
	}()
	s.t.Cleanup(func() { cancel(); <-done })
	return sub
}

func (s *subscriber) take(u *client.Update) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.updates++
	if s.refuse {
		u.Reject(errors.New("refused by a test"))
		return
	}
	for _, r := range u.Resources {
		s.has[r.Name] = r.Version
	}
	for _, name := range u.Removed {
		delete(s.has, name)
	}
	u.Accept()
}

// clusters returns the client's clusters and how many updates it has received.
func (s *subscriber) clusters() (string, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return fmt.Sprint(s.has), s.updates
}

func (s *subscriber) setRefuse(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

// awaitClusters waits until the client has exactly the clusters of a snapshot.
func (s *subscriber) awaitClusters(what string, of *xds.Snapshot) {
	s.t.Helper()
	want := map[string]string{}
	for _, r := range of.Resources(xds.ClusterType) {
		want[r.Name()] = r.Version()
	}
	eventually(s.t, fmt.Sprintf("%s, the client has %v", what, want), func() bool {
		got, _ := s.clusters()
		return got == fmt.Sprint(want)
	})
}

// rollout is two revisions, and the nodes that are pinned to the second.
type rollout struct {
	mu      sync.Mutex
	now     *Revisions
	changed chan struct{}
}

func (r *rollout) Revisions() (*Revisions, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now, r.changed
}

func (r *rollout) set(accepted, next *config.Snapshot, pinned ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.changed != nil {
		close(r.changed)
	}
	r.changed = make(chan struct{})
	r.now = &Revisions{Accepted: accepted, Pinned: func(id string, _ mesh.Node) *config.Snapshot {
		for _, p := range pinned {
			if p == id {
				return next
			}
		}
		return nil
	}}
}

func parsed(t *testing.T, documents oneFile) *config.Snapshot {
	t.Helper()
	f := &folder{}
	f.set(t, documents)
	s, _ := f.Accepted()
	return s
}

// TestRevisionsSideBySide has two live revisions: one proxy of a service gets the next revision, then the other one
// does, and then both go back.
func TestRevisionsSideBySide(t *testing.T) {
	const next oneFile = "kind: Service\nname: web\nports: 8080\ncalls: orders\n---\nkind: Service\nname: orders\nports: 8080\n"
	old, fresh := parsed(t, webCallsUsers), parsed(t, next)
	r := &rollout{}
	r.set(old, fresh)
	s := startWith(t, r)
	conn := s.serve()
	web := mesh.Node{Role: mesh.Sidecar, Service: "web"}
	first, second := s.subscribe(conn, web, "first"), s.subscribe(conn, web, "second")
	key := identify(node(t, web)).key
	s.view(key, "the view", s.upToDate)
	before := s.snapshots.Snapshot(key)
	first.awaitClusters("at first", before)
	second.awaitClusters("at first", before)

	r.set(old, fresh, "first")
	pinned := key + "@" + string(fresh.Revision)
	if v := s.view(pinned, "the view of the next revision", func(v View) bool { return v.Err == nil }); v.Revision != fresh.Revision {
		t.Errorf("the pinned view has revision %s: want %s", v.Revision, fresh.Revision)
	}
	first.awaitClusters("pinned", s.snapshots.Snapshot(pinned))
	second.awaitClusters("while the other one is pinned", before)
	if s.endpoints.Get("orders") == nil || s.endpoints.Get("users") == nil {
		t.Error("not every live revision has its assignments")
	}

	r.set(old, fresh, "first", "second")
	second.awaitClusters("pinned", s.snapshots.Snapshot(pinned))

	// The next revision is accepted: nobody is sent anything.
	_, sent := first.clusters()
	r.set(fresh, fresh)
	s.until("the next revision accepted", func(state *State) bool { return state.Documents == fresh })
	s.view(key, "the view of all", s.upToDate)
	first.awaitClusters("accepted", s.snapshots.Snapshot(key))
	if _, now := first.clusters(); now != sent {
		t.Errorf("%d updates were sent when the revision that a client has was accepted", now-sent)
	}

	r.set(old, fresh)
	first.awaitClusters("back", before)
	second.awaitClusters("back", before)
}

// TestRejectionsAreAnInput makes a proxy reject a change. The state contains the rejection until the proxy accepts
// another change.
func TestRejectionsAreAnInput(t *testing.T) {
	s := start(t, webCallsUsers)
	sub := s.subscribe(s.serve(), mesh.Node{Role: mesh.Sidecar, Service: "web"}, "the-node")
	key := identify(sidecar(t, "web")).key
	s.view(key, "the view", s.upToDate)
	sub.awaitClusters("at first", s.snapshots.Snapshot(key))

	sub.setRefuse(true)
	s.documents.set(t, webCallsUsers+"traffic: {connectTimeout: 3s}\n")
	state := s.until("the rejection", func(state *State) bool { return len(state.Reports.Rejections) > 0 })
	rejected := state.Reports.Rejections[0]
	if rejected.Node.ID != "the-node" || rejected.Type != xds.ClusterType || rejected.Message != "refused by a test" {
		t.Errorf("the rejection is %+v", rejected)
	}

	sub.setRefuse(false)
	s.documents.set(t, webCallsUsers+"traffic: {connectTimeout: 4s}\n")
	s.until("the end of the rejection", func(state *State) bool { return len(state.Reports.Rejections) == 0 })
}

// TestPinnedToWhatCannotBeCompiled pins a proxy to a revision without its service. It keeps its configuration.
func TestPinnedToWhatCannotBeCompiled(t *testing.T) {
	old, broken := parsed(t, webCallsUsers), parsed(t, "kind: Service\nname: other\n")
	r := &rollout{}
	r.set(old, broken)
	s := startWith(t, r)
	conn := s.serve()
	web := mesh.Node{Role: mesh.Sidecar, Service: "web"}
	first := s.subscribe(conn, web, "first")
	key := identify(node(t, web)).key
	s.view(key, "the view", s.upToDate)
	before := s.snapshots.Snapshot(key)
	first.awaitClusters("at first", before)
	_, sent := first.clusters()
	var n *xds.Node
	s.views.mu.Lock()
	for member := range s.views.members {
		n = member
	}
	s.views.mu.Unlock()

	r.set(old, broken, "first")
	eventually(t, "an error of the pinned revision", func() bool { _, view, _, _ := s.View(n); return view.Err != nil })
	if _, view, _, _ := s.View(n); view.Revision != old.Revision {
		t.Errorf("the node keeps revision %s: want %s", view.Revision, old.Revision)
	}
	r.set(old, broken)
	eventually(t, "the end of the pin", func() bool { _, view, _, _ := s.View(n); return view.Err == nil })
	if _, now := first.clusters(); now != sent {
		t.Errorf("%d updates were sent to a proxy that was to keep what it had", now-sent)
	}
}
