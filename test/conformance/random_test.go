package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// TestRandomPublications publishes at random and fast, with a client that rejects and loses its connection at random:
// the recorder finds no fault, and in the end the client has what was published last.
func TestRandomPublications(t *testing.T) {
	for _, protocol := range []client.Protocol{client.Delta, client.SotW} {
		for _, rejects := range []bool{false, true} {
			for seed := range uint64(8) {
				t.Run(fmt.Sprintf("protocol %d, rejects %t, seed %d", protocol, rejects, seed), func(t *testing.T) {
					randomPublications(t, protocol, rejects, rand.New(rand.NewPCG(seed, 0)))
				})
			}
		}
	}
}

func randomPublications(t *testing.T, protocol client.Protocol, rejects bool, random *rand.Rand) {
	grace := 10 * time.Millisecond
	if throughRelay {
		grace = 200 * time.Millisecond // a client's further requests reach the server later
	}
	s := serve(t, xdstest.Options{}, xds.ServerOptions{
		RemovalGrace:    grace,
		IsolateRejected: random.IntN(2) == 0,
	})
	c := startWalker(t, s.address, protocol)
	c.rejects = rejects
	w := world{random: random, versions: make(map[string]int)}
	for range 60 {
		s.Publish(node, w.next(false))
		time.Sleep(time.Duration(random.IntN(8)) * time.Millisecond) // sometimes the client keeps up, sometimes not
		if !rejects && random.IntN(20) == 0 {
			c.reconnect()
		}
	}
	// The last world has only contents that were never rejected, so it is accepted.
	c.mu.Lock()
	c.rejects = false
	c.mu.Unlock()
	last := w.next(true)
	s.Publish(node, last)
	eventually(t, "convergence", func() error { return c.lacks(last) })
}

// world generates consistent snapshots: listeners with routes to some clusters, and nothing else. No resource ever
// returns to a content that it had before.
type world struct {
	random   *rand.Rand
	now      int
	versions map[string]int // of what there was in the last snapshot, by kind and name
	making   map[string]int
}

// version returns the version of a resource in the next snapshot. Some resources keep their versions.
func (w *world) version(what string, anew bool) int {
	v, had := w.versions[what]
	if !had || anew || w.random.IntN(2) == 0 {
		v = w.now
	}
	w.making[what] = v
	return v
}

func (w *world) next(anew bool) *xds.Snapshot {
	w.now++
	w.making = make(map[string]int)
	var all []*xds.Resource
	used := make(map[string]bool)
	for l := range 1 + w.random.IntN(3) {
		name := fmt.Sprint("l", l)
		routes := "routes-" + name
		version := w.version(routes, anew)
		hosts := rand.New(rand.NewPCG(uint64(version), uint64(l)))
		var virtual []string
		for h := range 1 + hosts.IntN(3) {
			to := fmt.Sprint("c", hosts.IntN(8))
			used[to] = true
			virtual = append(virtual, fmt.Sprintf(`{"name": "h%d", "domains": ["h%d-v%d"], "routes": [
				{"match": {"prefix": "/"}, "route": {"cluster": %q}}
			]}`, h, h, version, to))
		}
		all = append(all, numberedListener(name, w.version(name, anew)), resource(new(routev3.RouteConfiguration), routes,
			`{"name": %q, "virtual_hosts": [%s]}`, routes, strings.Join(virtual, ",")))
	}
	v := variant{ads: true}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		all = append(all,
			cluster(v, name, fmt.Sprintf("1.%09ds", w.version("cluster "+name, anew))),
			assignment(name, fmt.Sprintf("127.0.0.1:%d", w.version("assignment "+name, anew))))
	}
	w.versions = w.making
	return xds.NewSnapshot(all...)
}

func numberedListener(name string, version int) *xds.Resource {
	return resource(new(listenerv3.Listener), name, `{
		"name": %q, "stat_prefix": "v%d", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
		"filter_chains": [{"filters": [%s]}]
	}`, name, version, connectionManager(variant{ads: true}, "routes-"+name))
}

// walker is a client that subscribes like Envoy does: to all listeners and clusters, and to the routes and
// assignments that they name.
type walker struct {
	*client.Client
	protocol client.Protocol
	cut      func()

	mu      sync.Mutex
	rejects bool // now and then
	random  *rand.Rand
	have    map[string]map[string]string // by type and name: bytes
}

var (
	routeType    = typeURL(new(routev3.RouteConfiguration))
	endpointType = typeURL(new(endpointv3.ClusterLoadAssignment))

	errUnlucky = errors.New("unlucky")
)

func startWalker(t *testing.T, address string, protocol client.Protocol) *walker {
	t.Helper()
	w := &walker{protocol: protocol, random: rand.New(rand.NewPCG(1, 2)), have: make(map[string]map[string]string)}
	conn := &switched{address: address}
	conn.next()
	w.cut = conn.next
	w.Client = client.New(conn, client.Options{
		Node: &corev3.Node{Id: node}, Protocol: protocol, MinRetry: time.Millisecond, Name: nameOf, Handle: w.handle,
	})
	w.Subscribe(clusterType, client.Wildcard)
	w.Subscribe(listenerType, client.Wildcard)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- w.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
		conn.close()
	})
	return w
}

func nameOf(body *anypb.Any) string {
	switch m, _ := body.UnmarshalNew(); m := m.(type) {
	case *endpointv3.ClusterLoadAssignment:
		return m.GetClusterName()
	case interface{ GetName() string }:
		return m.GetName()
	}
	return ""
}

// reconnect closes the connection; the client reconnects by itself.
func (w *walker) reconnect() { w.cut() }

func (w *walker) handle(u *client.Update) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rejects && w.random.IntN(10) == 0 && !w.removes(u) {
		u.Reject(errUnlucky)
		return
	}
	if w.have[u.Type] == nil || w.whole(u) {
		w.have[u.Type] = make(map[string]string)
	}
	for _, r := range u.Resources {
		w.have[u.Type][r.Name] = string(r.Body.GetValue())
	}
	for _, name := range u.Removed {
		delete(w.have[u.Type], name)
	}
	switch u.Type {
	case clusterType:
		w.follow(u.Type, endpointType)
	case listenerType:
		w.follow(u.Type, routeType)
	}
	u.Accept()
}

// names reports whether the client asks for a resource. The caller holds mu.
func (w *walker) names(typeURL, name string) (named bool) {
	switch typeURL {
	case endpointType:
		_, named = w.have[clusterType][name]
	case routeType:
		_, named = w.have[listenerType][strings.TrimPrefix(name, "routes-")]
	default:
		named = true
	}
	return named
}

// removes reports whether an update removes something. The client never rejects that.
func (w *walker) removes(u *client.Update) bool {
	if !w.whole(u) {
		return len(u.Removed) > 0
	}
	for name := range w.have[u.Type] {
		if !slices.ContainsFunc(u.Resources, func(r client.Resource) bool { return r.Name == name }) {
			return true
		}
	}
	return false
}

// whole reports whether an update contains everything of its type (C052).
func (w *walker) whole(u *client.Update) bool {
	return w.protocol == client.SotW && (u.Type == clusterType || u.Type == listenerType)
}

// follow subscribes to exactly the resources of one type that those of another type name.
func (w *walker) follow(parent, child string) {
	named := make(map[string]bool)
	for name := range w.have[parent] {
		if parent == listenerType {
			name = "routes-" + name
		}
		named[name] = true
		w.Subscribe(child, name)
	}
	for name := range w.have[child] {
		if !named[name] {
			w.Unsubscribe(child, name)
			delete(w.have[child], name)
		}
	}
}

// lacks returns an error unless the client has exactly the resources of a snapshot.
func (w *walker) lacks(there *xds.Snapshot) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, url := range []string{clusterType, endpointType, listenerType, routeType} {
		want := make(map[string]string)
		for _, r := range there.Resources(url) {
			want[r.Name()] = string(r.Body())
		}
		have := maps.Clone(w.have[url])
		maps.DeleteFunc(have, func(name, _ string) bool { return !w.names(url, name) }) // it was on its way when the client let go of it
		if !maps.Equal(have, want) {
			return fmt.Errorf("of %s it has %v, want %v", url, decoded(url, have), decoded(url, want))
		}
	}
	return nil
}

func decoded(url string, set map[string]string) (all []string) {
	for _, name := range slices.Sorted(maps.Keys(set)) {
		m, err := (&anypb.Any{TypeUrl: url, Value: []byte(set[name])}).UnmarshalNew()
		all = append(all, fmt.Sprint(m, err))
	}
	return all
}

// switched is a connection that can be closed and made again.
type switched struct {
	address string
	mu      sync.Mutex
	conn    *grpc.ClientConn
}

func (s *switched) next() {
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	s.close()
	s.mu.Lock()
	s.conn = conn
	s.mu.Unlock()
}

func (s *switched) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
	}
}

func (s *switched) current() *grpc.ClientConn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conn
}

func (s *switched) Invoke(ctx context.Context, method string, in, out any, o ...grpc.CallOption) error {
	return s.current().Invoke(ctx, method, in, out, o...)
}

func (s *switched) NewStream(ctx context.Context, d *grpc.StreamDesc, method string, o ...grpc.CallOption) (grpc.ClientStream, error) {
	return s.current().NewStream(ctx, d, method, o...)
}
