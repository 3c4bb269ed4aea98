package relay

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/doyen-mesh/doyen/xds"
)

// Waits between attempts to reach a server, each with jitter.
const (
	minRetry = 250 * time.Millisecond
	maxRetry = 5 * time.Second
)

// defaultCopyDelay is the default of Options.CopyDelay.
const defaultCopyDelay = 500 * time.Millisecond

// maxClients bounds the clients of one relay, which are programs on its own host.
const maxClients = 64

// Options is what a relay needs. Servers is required.
type Options struct {
	// Servers is the connection to the control plane. The relay does not close it.
	Servers grpc.ClientConnInterface
	// Folder holds the copies of clients' configurations. It must be private to the relay's user, and is made if it is
	// not there. "" is none: what clients have is kept in memory only.
	Folder string
	// CopyDelay is how long a client that connects waits for a server that does not answer before it is served from the
	// relay's copy; 0 means 500 ms. When no server can be reached it does not wait.
	CopyDelay time.Duration
	// PushVirtualHosts says that the servers do so, and makes the relay do so (xds.ServerOptions).
	PushVirtualHosts bool
	// NamesFiles says which secrets of servers name files on this host. Clients get these only with the content that
	// Provide gives. nil is none of them: clients read the files themselves.
	NamesFiles func(*xds.Resource) bool
	Log        *slog.Logger // nil discards
}

// Relay serves the xDS clients of one host. Make it with New; Run runs it.
type Relay struct {
	o      Options
	log    *slog.Logger
	conn   grpc.ClientConnInterface
	store  *store
	caches map[string]*xds.SnapshotCache // by type URL; the views are node IDs
	server *xds.Server

	ctx      context.Context // of everything that sessions start
	stop     context.CancelFunc
	sessions sync.WaitGroup
	named    notice // there are more secrets that name files

	mu      sync.Mutex
	clients map[string]*session // by node ID
}

// types are those that a relay serves, all that have a service of their own in xDS.
var types = []string{
	xds.ClusterType, xds.EndpointType, xds.ListenerType, xds.ScopedRouteType, xds.RouteType,
	xds.VirtualHostType, xds.SecretType, xds.RuntimeType, xds.ExtensionConfigType,
}

// New returns a relay that is not running.
func New(o Options) *Relay {
	if o.CopyDelay <= 0 {
		o.CopyDelay = defaultCopyDelay
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Relay{
		o: o, log: o.Log, conn: o.Servers, caches: map[string]*xds.SnapshotCache{}, clients: map[string]*session{},
	}
	r.store = newStore(o.Folder, o.Log)
	r.ctx, r.stop = context.WithCancel(context.Background())
	sources := map[string]xds.Source{}
	for _, typeURL := range types {
		cache := xds.NewSnapshotCache(xds.SnapshotCacheOptions{OnDemand: r.undecided})
		r.caches[typeURL], sources[typeURL] = cache, cache
	}
	r.server = xds.NewServer(xds.NewMux(xds.MuxOptions{Types: sources}), xds.ServerOptions{
		Identifier: "doyen agent", Logger: o.Log, PushVirtualHosts: o.PushVirtualHosts, Relay: true,
		Callbacks: xds.Callbacks{StreamOpen: r.open, StreamClose: r.close, Request: r.request},
	})
	return r
}

// Run serves clients on listener until ctx ends, and then saves what they acknowledged. It closes listener.
func (r *Relay) Run(ctx context.Context, listener net.Listener) error {
	g := grpc.NewServer(xds.GRPCOptions()...)
	r.server.Register(g)
	var group sync.WaitGroup
	failed := make(chan error, 1)
	group.Go(func() { failed <- g.Serve(listener) })
	saving, stopSaving := context.WithCancel(context.Background())
	group.Go(func() { r.store.run(saving, r.all) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("relay: %w", err)
	}
	stopSaving() // before streams end: what clients have is saved as it is
	r.server.Shutdown()
	g.Stop()
	r.stop()
	r.sessions.Wait()
	group.Wait()
	return err
}

// open takes in a stream of a client.
func (r *Relay) open(_ context.Context, s xds.StreamInfo) error {
	if s.Node.ID == "" {
		return status.Error(codes.InvalidArgument, "the node has no ID")
	}
	r.mu.Lock()
	defer r.mu.Unlock() // a session without streams may be dropped
	c, err := r.client(s.Node.Proto)
	if err != nil {
		return err
	}
	c.open(s.ID, s.Node.Proto)
	return nil
}

var errTooManyClients = status.Errorf(codes.ResourceExhausted, "this host already has %d xDS clients, the most that a relay serves", maxClients)

// client returns the session of a node, restored from disk when it is new. The caller holds mu.
func (r *Relay) client(node *corev3.Node) (*session, error) {
	if c := r.clients[node.GetId()]; c != nil {
		return c, nil
	}
	if len(r.clients) >= maxClients && !r.dropIdle() {
		return nil, errTooManyClients
	}
	c := newSession(r, node)
	copied, err := r.store.load(node.GetId())
	switch {
	case err != nil:
		r.log.Error("the copy of a client's configuration is ignored", "node", node.GetId(), "error", err)
		c.ignored = err
	case copied != nil:
		c.restore(copied)
	}
	r.clients[node.GetId()] = c
	return c, nil
}

// dropIdle forgets one client without streams, and reports whether there was any. Its copy stays on disk.
func (r *Relay) dropIdle() bool {
	for id, c := range r.clients {
		if c.idle() {
			delete(r.clients, id)
			for _, cache := range r.caches {
				cache.Remove(id)
			}
			return true
		}
	}
	return false
}

func (r *Relay) find(id string) *session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clients[id]
}

func (r *Relay) close(s xds.StreamInfo, _ error) {
	if c := r.find(s.Node.ID); c != nil {
		c.close(s.ID)
	}
}

func (r *Relay) request(s xds.StreamInfo, request xds.RequestInfo) error {
	if c := r.find(s.Node.ID); c != nil {
		c.request(s.ID, s.Delta(), request)
	}
	return nil
}

func (r *Relay) undecided(view string, ref xds.Ref) bool {
	c := r.find(view)
	return c != nil && c.undecided(ref)
}

func (r *Relay) publish(id, typeURL string, s *xds.Snapshot) {
	if cache := r.caches[typeURL]; cache != nil {
		cache.Publish(id, s)
	}
}

func (r *Relay) notFound(id, typeURL string, names []string) {
	cache := r.caches[typeURL]
	if cache == nil {
		return
	}
	refs := make([]xds.Ref, len(names))
	for i, name := range names {
		refs[i] = xds.Ref{Type: typeURL, Name: name}
	}
	cache.NotFound(id, refs...)
}

// all returns the sessions.
func (r *Relay) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.clients))
}
