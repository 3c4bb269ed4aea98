package xds_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
)

// recordingListener keeps what is written to its one connection.
type recordingListener struct {
	net.Listener
	mu      sync.Mutex
	written bytes.Buffer
}

func (l *recordingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return recordingConn{c, l}, err
}

type recordingConn struct {
	net.Conn
	to *recordingListener
}

func (c recordingConn) Write(b []byte) (int, error) {
	c.to.mu.Lock()
	c.to.written.Write(b)
	c.to.mu.Unlock()
	return c.Conn.Write(b)
}

// frames counts the HTTP/2 frames that were written, by type.
func (l *recordingListener) frames(t *testing.T) map[http2.FrameType]int {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	framer := http2.NewFramer(io.Discard, bytes.NewReader(l.written.Bytes()))
	all := map[http2.FrameType]int{}
	for {
		f, err := framer.ReadFrame()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all[f.Header().Type]++
	}
}

// A change costs one frame to each client, and its ACK none: gRPC does not ping a client for each of its requests
// to find out how large a window they need.
func TestFramesOfChanges(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener := &recordingListener{Listener: tcp}
	cache := xds.NewLinearCache(xds.EndpointType)
	server := xds.NewServer(cache, xds.ServerOptions{})
	g := grpc.NewServer(xds.GRPCOptions()...)
	server.Register(g)
	served := make(chan error, 1)
	go func() { served <- g.Serve(listener) }()
	t.Cleanup(func() {
		server.Shutdown()
		g.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	// Envoy does not ping for the sake of its window, and a client of grpc-go does not with this option.
	connection, err := grpc.NewClient(tcp.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithStaticConnWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })

	const changes = 20
	cache.Put(resource(xds.EndpointType, "a", "0"))
	s := openDelta(t, connection, deltaADS)
	s.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.EndpointType, ResourceNamesSubscribe: []string{"a"}})
	for i := range changes {
		s.expect(map[string]string{"a": fmt.Sprint(i)})
		if err := server.WaitAcknowledged(t.Context(), xds.Ref{Type: xds.EndpointType, Name: "a"}); err != nil {
			t.Fatal(err)
		}
		cache.Put(resource(xds.EndpointType, "a", fmt.Sprint(i+1)))
	}
	s.expect(map[string]string{"a": fmt.Sprint(changes)})
	frames := listener.frames(t)
	if frames[http2.FramePing] > 0 || frames[http2.FrameData] != changes+1 {
		t.Errorf("%d changes were %d DATA frames and %d PING frames: want one and none for each", changes, frames[http2.FrameData], frames[http2.FramePing])
	}
}
