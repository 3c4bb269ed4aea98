package conformance

import (
	"context"
	"fmt"
	"maps"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/doyen-mesh/doyen/test/machine"
	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/envoyrefs"
	"github.com/doyen-mesh/doyen/xds/xdstest"
)

// node is the ID of the only client in each test, and the view that it gets.
const node = "client"

// patience is how long a test waits for something that should happen soon.
const patience = 20 * time.Second

// server is the engine behind a gRPC port, with a recorder beside it.
type server struct {
	*xds.SnapshotCache
	engine   *xds.Server
	recorder *xdstest.Recorder
	address  string
	stop     func()
}

// serve runs a server until the test or stop ends it, and then checks the recorder's findings.
func serve(t *testing.T, rules xdstest.Options, o xds.ServerOptions) *server {
	t.Helper()
	// A port that no outgoing connection gets, because another server may listen on it again.
	return serveAt(t, fmt.Sprintf("127.0.0.1:%d", machine.FreePorts(t, 1)[0]), rules, o)
}

func serveAt(t *testing.T, address string, rules xdstest.Options, o xds.ServerOptions) *server {
	t.Helper()
	lis := listen(t, address)
	s := &server{
		SnapshotCache: xds.NewSnapshotCache(xds.SnapshotCacheOptions{}),
		recorder:      xdstest.NewRecorder(rules),
		address:       lis.Addr().String(),
	}
	s.engine = xds.NewServer(s.SnapshotCache, o)
	g := grpc.NewServer(xds.GRPCOptions()...)
	s.engine.Register(g)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.engine.Run(ctx) }()
	front := s.recorder.Listen(lis)
	stopRelay := func() {}
	if throughRelay {
		front, stopRelay = relayed(t, front)
	}
	go g.Serve(front)
	s.stop = sync.OnceFunc(func() {
		stopRelay()
		s.engine.Shutdown()
		g.Stop()
		cancel()
		<-ended
	})
	t.Cleanup(func() {
		s.stop()
		s.recorder.Verify(t)
	})
	return s
}

// listen waits for an address that another server has just released.
func listen(t *testing.T, address string) (lis net.Listener) {
	t.Helper()
	eventually(t, "listen", func() (err error) {
		lis, err = net.Listen("tcp", address)
		return err
	})
	return lis
}

// publish makes resources everything that the client gets.
func (s *server) publish(resources ...*xds.Resource) {
	s.Publish(node, xds.NewSnapshot(resources...))
}

// resource makes a resource from proto-JSON, with the references of its message.
func resource(m proto.Message, name, text string, args ...any) *xds.Resource {
	if err := protojson.Unmarshal(fmt.Appendf(nil, text, args...), m); err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return encoded(m, name, xds.ResourceOptions{References: envoyrefs.Of(m)})
}

func encoded(m proto.Message, name string, o xds.ResourceOptions) *xds.Resource {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", name, err))
	}
	return xds.NewResource(typeURL(m), name, body, o)
}

func typeURL(m proto.Message) string {
	return "type.googleapis.com/" + string(m.ProtoReflect().Descriptor().FullName())
}

// rejection returns the client's last rejection of a type that it has not accepted since; nil if there is none.
func (s *server) rejection(typeURL string) *xds.Rejection {
	for _, stream := range s.engine.NodeStatus(node).Streams {
		if r := stream.Types[typeURL].Rejected; r != nil {
			return r
		}
	}
	return nil
}

// awaitRejection waits until the client has rejected something of the type.
func (s *server) awaitRejection(t *testing.T, typeURL string) (r *xds.Rejection) {
	t.Helper()
	eventually(t, "rejection", func() error {
		if r = s.rejection(typeURL); r == nil {
			return fmt.Errorf("nothing of %s was rejected", typeURL)
		}
		return nil
	})
	return r
}

// awaitAcknowledged waits until the client has acknowledged everything.
func (s *server) awaitAcknowledged(t *testing.T, resources ...*xds.Resource) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for _, r := range resources {
		if err := s.engine.WaitAcknowledged(ctx, xds.Ref{Type: r.Type(), Name: r.Name()}); err != nil {
			t.Fatalf("%s %q is not acknowledged: %v", r.Type(), r.Name(), err)
		}
	}
}

// responses returns the server's responses of a type; of all types if it is "".
func (s *server) responses(typeURL string) []*xdstest.Message {
	return slices.DeleteFunc(s.recorder.Messages(), func(m *xdstest.Message) bool {
		return m.FromClient || typeURL != "" && m.Type != typeURL
	})
}

// awaitSubscribed waits until the client has subscribed to that many types.
func (s *server) awaitSubscribed(t *testing.T, types int) {
	t.Helper()
	eventually(t, "subscriptions", func() error {
		asked := make(map[string]bool)
		for _, m := range s.recorder.Messages() {
			asked[m.Type] = asked[m.Type] || m.FromClient
		}
		if len(asked) < types {
			return fmt.Errorf("asked for %d types: %v", len(asked), slices.Collect(maps.Keys(asked)))
		}
		return nil
	})
}

// sent returns how many resources were sent.
func (s *server) sent() (resources int) {
	for _, m := range s.responses("") {
		resources += len(m.Resources)
	}
	return resources
}

// eventually calls try until it returns no error, for at most patience.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s, after %v: %v", what, patience, err)
		}
	}
}
