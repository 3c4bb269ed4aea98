// Package relay measures what an agent's relay adds between a server and a client: time per change, and memory.
//
//	go test ./relay -bench . -benchtime 300x
package relay

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/internal/relay"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// What each client has: so many clusters of that size.
const (
	resources = 1000
	size      = 1 << 10 // bytes
)

// mesh is a server with one snapshot for each node.
type mesh struct {
	b      *testing.B
	cache  *xds.SnapshotCache
	server *xds.Server
	conn   *grpc.ClientConn // to the server
	copies string           // the folder of the relay
}

func newMesh(b *testing.B) *mesh {
	m := &mesh{b: b, cache: xds.NewSnapshotCache(xds.SnapshotCacheOptions{}), copies: b.TempDir()}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	m.server = xds.NewServer(m.cache, xds.ServerOptions{})
	g := grpc.NewServer(xds.GRPCOptions()...)
	m.server.Register(g)
	go func() { _ = g.Serve(listener) }()
	m.conn = m.dial(listener.Addr().String())
	b.Cleanup(func() {
		m.server.Shutdown()
		g.Stop()
	})
	return m
}

func (m *mesh) dial(target string) *grpc.ClientConn {
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		m.b.Fatal(err)
	}
	m.b.Cleanup(func() { conn.Close() })
	return conn
}

// relay starts a relay and returns a connection to it.
func (m *mesh) relay() *grpc.ClientConn {
	socket := filepath.Join(m.b.TempDir(), "xds.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		m.b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	r := relay.New(relay.Options{Servers: m.conn, Folder: m.copies})
	go func() { ended <- r.Run(ctx, listener) }()
	m.b.Cleanup(func() {
		cancel()
		<-ended
	})
	return m.dial("unix:" + socket)
}

func cluster(name, body string) *xds.Resource {
	return xds.NewResource(xds.ClusterType, name, []byte(body), xds.ResourceOptions{})
}

// client starts a client that has everything, and returns the channel of its updates.
func (m *mesh) client(node string, conn *grpc.ClientConn) <-chan *client.Update {
	var all []*xds.Resource
	for n := range resources {
		all = append(all, cluster(fmt.Sprintf("cluster-%d", n), node+strings.Repeat("x", size-len(node))))
	}
	m.cache.Publish(node, xds.NewSnapshot(all...))
	updates := make(chan *client.Update, 64)
	c := client.New(conn, client.Options{Node: &corev3.Node{Id: node}, Handle: func(u *client.Update) {
		u.Accept()
		updates <- u
	}})
	c.Subscribe(xds.ClusterType, client.Wildcard)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx)
	}()
	m.b.Cleanup(func() {
		cancel()
		<-ended
	})
	for got := 0; got < resources; {
		got += len((<-updates).Resources)
	}
	return updates
}

// BenchmarkChange is the time from the publication of one changed resource until a client has it.
func BenchmarkChange(b *testing.B) {
	for _, relayed := range []bool{false, true} {
		b.Run(map[bool]string{false: "direct", true: "relay"}[relayed], func(b *testing.B) {
			m := newMesh(b)
			conn := m.conn
			if relayed {
				conn = m.relay()
			}
			updates := m.client("n", conn)
			var took []time.Duration
			for n := 0; b.Loop(); n++ {
				started := time.Now()
				changed := cluster("cluster-1", fmt.Sprintf("version %d", n))
				m.cache.Publish("n", m.cache.Snapshot("n").With([]*xds.Resource{changed}, nil))
				<-updates
				took = append(took, time.Since(started))
				if err := m.server.WaitAcknowledged(b.Context(), xds.Ref{Type: xds.ClusterType, Name: "cluster-1"}); err != nil {
					b.Fatal(err)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
		})
	}
}

// BenchmarkMemory is the heap of a relay with one client, without what a client itself takes, and without the content
// that the relay carries.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		m := newMesh(b)
		m.client("first", m.conn)
		before := heap()
		m.client("direct", m.conn)
		direct := heap() - before
		before = heap()
		m.client("relayed", m.relay())
		m.awaitCopy()
		relayed := heap() - before
		b.ReportMetric(float64(relayed-direct)/(1<<20), "MiB")
		b.ReportMetric(float64(relayed-direct-resources*size)/(1<<20), "MiB-above-content")
	}
}

// awaitCopy returns when the relay has written its copy of a client's configuration.
func (m *mesh) awaitCopy() {
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		copies, err := filepath.Glob(filepath.Join(m.copies, "*.copy"))
		if err != nil || time.Now().After(deadline) {
			m.b.Fatalf("the relay has written no copy: %v", err)
		}
		if len(copies) > 0 {
			return
		}
	}
}

func heap() int {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
