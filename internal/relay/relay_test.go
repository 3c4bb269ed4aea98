package relay

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// timeout bounds every wait of these tests.
const timeout = 20 * time.Second

// eventually waits until done is nil.
func eventually(t *testing.T, done func() error) {
	t.Helper()
	var err error
	for deadline := time.Now().Add(timeout); time.Now().Before(deadline); time.Sleep(2 * time.Millisecond) {
		if err = done(); err == nil {
			return
		}
	}
	t.Fatal(err)
}

// control is a control plane that can be stopped and started again on its address.
type control struct {
	t       *testing.T
	address string
	cache   *xds.SnapshotCache
	server  *xds.Server
	grpc    *grpc.Server
	served  chan struct{}
}

func newControl(t *testing.T) *control {
	c := &control{t: t, address: "127.0.0.1:0", cache: xds.NewSnapshotCache(xds.SnapshotCacheOptions{})}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *control) start() {
	c.t.Helper()
	listener, err := net.Listen("tcp", c.address)
	if err != nil {
		c.t.Fatal(err)
	}
	c.address = listener.Addr().String()
	c.server = xds.NewServer(c.cache, xds.ServerOptions{IsolateRejected: true, PushVirtualHosts: true, RemovalGrace: time.Millisecond})
	g := grpc.NewServer(xds.GRPCOptions()...)
	c.server.Register(g)
	c.grpc, c.served = g, make(chan struct{})
	go func() {
		defer close(c.served)
		_ = g.Serve(listener)
	}()
}

func (c *control) stop() {
	if c.grpc == nil {
		return
	}
	c.server.Shutdown()
	c.grpc.Stop()
	<-c.served
	c.grpc = nil
}

// inSync waits until the control plane has the ACKs of a node for everything.
func (c *control) inSync(node string, types ...string) {
	c.t.Helper()
	eventually(c.t, func() error {
		status := c.server.NodeStatus(node)
		if len(status.Streams) != 1 {
			return fmt.Errorf("node %s has %d streams", node, len(status.Streams))
		}
		for _, typeURL := range types {
			if of := status.Streams[0].Types[typeURL]; !of.InSync {
				return fmt.Errorf("%s is not in sync: %+v", typeURL, of)
			}
		}
		return nil
	})
}

// startRelay runs a relay on a socket of its own until the test ends or stop is called.
func startRelay(t *testing.T, folder string, server string) (socket string, stop func()) {
	t.Helper()
	socket, _, stop = startRelayWith(t, Options{Folder: folder, CopyDelay: 200 * time.Millisecond}, server)
	return socket, stop
}

func startRelayWith(t *testing.T, o Options, server string) (socket string, r *Relay, stop func()) {
	t.Helper()
	conn, err := grpc.NewClient(server, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(connectParams))
	if err != nil {
		t.Fatal(err)
	}
	socket = filepath.Join(t.TempDir(), "xds.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	o.Servers = conn
	r = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx, listener) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		_ = conn.Close()
	})
	t.Cleanup(stop)
	return socket, r, stop
}

// program is an xDS client on the relay's socket.
type program struct {
	*client.Client
	stop func()

	mu       sync.Mutex
	has      map[string]string // type and name -> version
	updates  int
	resource int // resources received
	judge    func(*client.Update) error
	held     []*client.Update // not answered
	hold     bool
}

func startProgram(t *testing.T, socket, node string, protocol client.Protocol, known map[string]map[string]string) *program {
	t.Helper()
	conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithConnectParams(connectParams))
	if err != nil {
		t.Fatal(err)
	}
	p := &program{has: map[string]string{}}
	p.Client = client.New(conn, client.Options{
		Node: &corev3.Node{Id: node}, Protocol: protocol, Handle: p.handle, Name: nameIn, Known: known, MinRetry: 10 * time.Millisecond, MaxRetry: 50 * time.Millisecond,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.Run(ctx)
	}()
	p.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
		_ = conn.Close()
	})
	t.Cleanup(p.stop)
	return p
}

func (p *program) handle(u *client.Update) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.updates++
	p.resource += len(u.Resources)
	if p.judge != nil {
		if err := p.judge(u); err != nil {
			u.Reject(err)
			return
		}
	}
	for _, r := range u.Resources {
		p.has[r.Name] = string(r.Body.GetValue())
	}
	for _, name := range u.Removed {
		p.has[name] = "removed"
	}
	if p.hold {
		p.held = append(p.held, u)
		return
	}
	u.Accept()
}

// wants waits until the program has a body, "removed" or "" for a name.
func (p *program) wants(t *testing.T, name, body string) {
	t.Helper()
	eventually(t, func() error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if got := p.has[name]; got != body {
			return fmt.Errorf("%s is %q: want %q; there are %v", name, got, body, slices.Collect(maps.Keys(p.has)))
		}
		return nil
	})
}

// resource makes one whose body is valid UTF-8 and no message: the relay does not look into it.
func resource(typeURL, name, body string) *xds.Resource {
	return xds.NewResource(typeURL, name, []byte(body), xds.ResourceOptions{})
}

// nameIn is the name of a resource, as state-of-the-world does not tell it: the first word of the body.
func nameIn(r *anypb.Any) string {
	name, _, _ := strings.Cut(string(r.GetValue()), " ")
	return name
}

var everything = []string{xds.ClusterType, xds.EndpointType, xds.ListenerType}

func (c *control) publish(node, version string) {
	c.cache.Publish(node, xds.NewSnapshot(
		resource(xds.ClusterType, "users", "users "+version), resource(xds.EndpointType, "users-endpoints", "users-endpoints "+version),
		resource(xds.ListenerType, "egress", "egress "+version),
	))
}

// subscribe asks for what an Envoy asks for.
func (p *program) subscribe() {
	p.Subscribe(xds.ClusterType, client.Wildcard)
	p.Subscribe(xds.EndpointType, "users-endpoints")
	p.Subscribe(xds.ListenerType, client.Wildcard)
}

var protocols = map[string]client.Protocol{"delta": client.Delta, "sotw": client.SotW}

func TestPassesOn(t *testing.T) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			c := newControl(t)
			c.publish("n", "1")
			socket, _ := startRelay(t, t.TempDir(), c.address)
			p := startProgram(t, socket, "n", protocol, nil)
			p.subscribe()
			p.wants(t, "users", "users 1")
			p.wants(t, "users-endpoints", "users-endpoints 1")
			p.wants(t, "egress", "egress 1")
			c.inSync("n", everything...)
			c.publish("n", "2")
			p.wants(t, "users-endpoints", "users-endpoints 2")
			c.inSync("n", everything...)
		})
	}
}

func TestNamesThatDoNotExist(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, _ := startRelay(t, t.TempDir(), c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.EndpointType, "missing", "users-endpoints")
	p.wants(t, "missing", "removed")
	p.wants(t, "users-endpoints", "users-endpoints 1")
	c.cache.Publish("n", xds.NewSnapshot(resource(xds.EndpointType, "missing", "found")))
	p.wants(t, "missing", "found")
	p.wants(t, "users-endpoints", "removed")
}

// The relay does not acknowledge before the client has.
func TestAcknowledgesAfterTheClient(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, _ := startRelay(t, t.TempDir(), c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.hold = true
	p.Subscribe(xds.ClusterType, client.Wildcard)
	p.wants(t, "users", "users 1")
	if of := c.server.NodeStatus("n").Streams[0].Types[xds.ClusterType]; of.InSync || of.Acknowledged != "" {
		t.Errorf("the control plane believes that the client has acknowledged: %+v", of)
	}
	p.mu.Lock()
	for _, u := range p.held {
		u.Accept()
	}
	p.hold = false
	p.mu.Unlock()
	c.inSync("n", xds.ClusterType)
}

// A rejection reaches the server with the client's message, and the client keeps what it had.
func TestRejections(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, _ := startRelay(t, t.TempDir(), c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.mu.Lock()
	p.judge = func(u *client.Update) error {
		for _, r := range u.Resources {
			if string(r.Body.GetValue()) == "bad" {
				return errors.New("no cluster can be bad")
			}
		}
		return nil
	}
	p.mu.Unlock()
	p.subscribe()
	c.inSync("n", everything...)

	c.cache.Publish("n", xds.NewSnapshot(resource(xds.ClusterType, "users", "bad"), resource(xds.ClusterType, "good", "good"),
		resource(xds.EndpointType, "users-endpoints", "users-endpoints 1"), resource(xds.ListenerType, "egress", "egress 1")))
	p.wants(t, "good", "good") // the server isolates the culprit through the relay
	eventually(t, func() error {
		rejected := c.server.NodeStatus("n").Streams[0].Types[xds.ClusterType].Rejected
		if rejected == nil || rejected.Message != "no cluster can be bad" || !rejected.Culprit || !slices.Equal(rejected.Names, []string{"users"}) {
			return fmt.Errorf("rejection %+v", rejected)
		}
		return nil
	})
	p.wants(t, "users", "users 1")
	c.publish("n", "3")
	p.wants(t, "users", "users 3")
	p.wants(t, "good", "removed")
	c.inSync("n", everything...)
}

// While no server answers, a client is served from the relay's memory, and after a restart of the
// relay from its copy on disk.
func TestServesWithoutAServer(t *testing.T) {
	for name, protocol := range protocols {
		t.Run(name, func(t *testing.T) {
			c := newControl(t)
			c.publish("n", "1")
			folder := t.TempDir()
			socket, stop := startRelay(t, folder, c.address)
			p := startProgram(t, socket, "n", protocol, nil)
			p.subscribe()
			c.inSync("n", everything...)
			c.stop()
			p.stop()

			again := startProgram(t, socket, "n", protocol, nil)
			again.subscribe()
			again.wants(t, "egress", "egress 1")
			again.wants(t, "users-endpoints", "users-endpoints 1")
			again.stop()
			stop()

			socket, _ = startRelay(t, folder, c.address)
			last := startProgram(t, socket, "n", protocol, nil)
			last.subscribe()
			last.wants(t, "users", "users 1")
			last.wants(t, "users-endpoints", "users-endpoints 1")
			last.wants(t, "egress", "egress 1")

			c.start()
			c.publish("n", "2")
			last.wants(t, "users-endpoints", "users-endpoints 2")
			c.inSync("n", everything...)
		})
	}
}

// A server that comes back, and another one, send nothing that the client has.
func TestNothingIsResent(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, _ := startRelay(t, t.TempDir(), c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.subscribe()
	c.inSync("n", everything...)
	p.mu.Lock()
	before := p.resource
	p.mu.Unlock()
	c.stop()
	c.start()
	c.inSync("n", everything...)
	c.cache.Publish("n", c.cache.Snapshot("n").With([]*xds.Resource{resource(xds.ClusterType, "users", "users 2")}, nil))
	p.wants(t, "users", "users 2")
	p.mu.Lock()
	defer p.mu.Unlock()
	if got := p.resource - before; got != 1 {
		t.Errorf("%d resources came after a reconnect: want the one that changed", got)
	}
}

// A damaged copy is reported and ignored.
func TestDamagedCopy(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	folder := t.TempDir()
	socket, stop := startRelay(t, folder, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.subscribe()
	c.inSync("n", everything...)
	p.stop()
	stop()
	files, err := filepath.Glob(filepath.Join(folder, "*"+extension))
	if err != nil || len(files) != 1 {
		t.Fatalf("copies: %v, %v", files, err)
	}
	content, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if info, _ := os.Stat(files[0]); info.Mode().Perm() != 0o600 {
		t.Errorf("the copy may be read by others: %v", info.Mode())
	}
	for i := range content {
		damaged := slices.Clone(content)
		damaged[i] ^= 0x10
		if _, err := decode("n", damaged); err == nil {
			t.Fatalf("a copy with byte %d damaged is used", i)
		}
	}
	for _, size := range []int{0, 5, len(format), len(content) - 1} {
		if _, err := decode("n", content[:size]); err == nil {
			t.Errorf("a copy cut to %d bytes is used", size)
		}
	}
	if _, err := decode("other", content); err == nil {
		t.Error("the copy of another node is used")
	}
}

var connectParams = grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 10 * time.Millisecond, Multiplier: 1.5, MaxDelay: 100 * time.Millisecond}, MinConnectTimeout: time.Second}

// A client that restarts may be back before the relay sees the end of its old stream. It loses nothing by that.
func TestStreamsOverlap(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, _ := startRelay(t, t.TempDir(), c.address)
	old := startProgram(t, socket, "n", client.Delta, nil)
	old.subscribe()
	c.inSync("n", everything...)
	c.stop()
	next := startProgram(t, socket, "n", client.Delta, nil)
	next.Subscribe(xds.ClusterType, client.Wildcard)
	next.wants(t, "users", "users 1")
	old.stop()
	later := startProgram(t, socket, "n", client.Delta, nil) // the relay has seen the end when it answers this one
	later.Subscribe(xds.ClusterType, client.Wildcard)
	later.wants(t, "users", "users 1")
	next.subscribe()
	next.wants(t, "egress", "egress 1")
	next.wants(t, "users-endpoints", "users-endpoints 1")
}

// A server that answers and has nothing new counts as connected.
func TestConnectedWithoutNews(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	socket, r, _ := startRelayWith(t, Options{Folder: t.TempDir()}, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.subscribe()
	c.inSync("n", everything...)
	for range 2 {
		eventually(t, func() error {
			if s := r.Status()[0]; !s.Connected || s.Problem != "" {
				return fmt.Errorf("status %+v", s)
			}
			return nil
		})
		c.stop()
		c.start()
		c.inSync("n", everything...)
	}
}
