package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// TestCopyIsServedAtOnce: where no server can be reached there is nothing to wait for.
func TestCopyIsServedAtOnce(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	o := Options{Folder: t.TempDir(), CopyDelay: time.Hour}
	socket, _, stop := startRelayWith(t, o, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.subscribe()
	c.inSync("n", everything...)
	p.stop()
	stop()
	c.stop()

	socket, r, _ := startRelayWith(t, o, c.address)
	p = startProgram(t, socket, "n", client.Delta, nil)
	p.Subscribe(xds.ClusterType, client.Wildcard) // one after the other, as Envoy asks
	p.wants(t, "users", "users 1")
	p.Subscribe(xds.EndpointType, "users-endpoints")
	p.wants(t, "users-endpoints", "users-endpoints 1")
	p.Subscribe(xds.ListenerType, client.Wildcard)
	p.wants(t, "egress", "egress 1")
	status := r.Status()[0]
	if status.Connected || status.Problem == "" || status.Saved.IsZero() || status.Ignored != "" {
		t.Errorf("the status is %+v: want the reason why no server answers, and the time of the copy", status)
	}
}

// TestDroppedIsKept: a program that ends lets go of all that it asked for, with a server and without one. When it
// starts again it is served all the same, from memory and from disk.
func TestDroppedIsKept(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	o := Options{Folder: t.TempDir()}
	socket, r, stop := startRelayWith(t, o, c.address)
	drop := func(p *program) {
		p.Unsubscribe(xds.EndpointType, "users-endpoints")
		eventually(t, func() error {
			s := r.find("n")
			s.mu.Lock()
			defer s.mu.Unlock()
			if len(s.asked) > 0 {
				return fmt.Errorf("it asks for %v", s.asked)
			}
			return nil
		})
		p.stop()
	}
	for _, protocol := range protocols {
		p := startProgram(t, socket, "n", protocol, nil)
		p.Subscribe(xds.EndpointType, "users-endpoints")
		p.wants(t, "users-endpoints", "users-endpoints 1")
		c.inSync("n", xds.EndpointType)
		drop(p)
	}
	c.stop()
	for range 2 {
		for range 2 {
			p := startProgram(t, socket, "n", client.SotW, nil)
			p.Subscribe(xds.EndpointType, "users-endpoints")
			p.wants(t, "users-endpoints", "users-endpoints 1")
			drop(p)
		}
		stop()
		socket, r, stop = startRelayWith(t, o, c.address)
	}
}

// TestStatusSaysWhatIsWrong: a rejection until the next update is accepted, and a copy that is not used.
func TestStatusSaysWhatIsWrong(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	folder := t.TempDir()
	name := newStore(folder, slog.New(slog.DiscardHandler)).file("n")
	if err := os.WriteFile(name, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	socket, r, _ := startRelayWith(t, Options{Folder: folder}, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.judge = func(u *client.Update) error {
		for _, r := range u.Resources {
			if strings.HasSuffix(string(r.Body.GetValue()), " bad") {
				return errors.New("it is bad")
			}
		}
		return nil
	}
	p.subscribe()
	c.inSync("n", everything...)
	says := func(rejected string) {
		t.Helper()
		eventually(t, func() error {
			status := r.Status()[0]
			if status.Rejected[xds.ClusterType] != rejected || !strings.Contains(status.Ignored, name) {
				return fmt.Errorf("the status is %+v: want %q rejected, and why %s was ignored", status, rejected, name)
			}
			return nil
		})
	}
	says("")
	c.cache.Publish("n", c.cache.Snapshot("n").With([]*xds.Resource{resource(xds.ClusterType, "users", "users bad")}, nil))
	says("it is bad")
	c.cache.Publish("n", c.cache.Snapshot("n").With([]*xds.Resource{resource(xds.ClusterType, "users", "users 2")}, nil))
	says("")
}

// TestCopiesAreBounded keeps the newest copies.
func TestCopiesAreBounded(t *testing.T) {
	folder := t.TempDir()
	s := newStore(folder, slog.New(slog.DiscardHandler))
	now := time.Now()
	for i := range maxCopies + 3 {
		id := fmt.Sprintf("node-%02d", i)
		content, err := encode(id, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.save(id, content); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(s.file(id), now, now.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	s.prune()
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(left) != maxCopies || slices.Contains(left, s.file("node-02")) || !slices.Contains(left, s.file("node-03")) {
		t.Errorf("%d files are left, %v: want the newest %d", len(left), err, maxCopies)
	}
}

// TestVirtualHostsArePushed: a first request that names no virtual host, as Envoy sends it, asks for all of them, as it does
// at a doyen server.
func TestVirtualHostsArePushed(t *testing.T) {
	c := newControl(t)
	c.cache.Publish("n", xds.NewSnapshot(resource(xds.VirtualHostType, "routes/users", "users 1")))
	o := Options{Folder: t.TempDir(), PushVirtualHosts: true}
	for _, away := range []bool{false, true} {
		if away {
			c.stop()
		}
		socket, _, stop := startRelayWith(t, o, c.address)
		conn, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), timeout)
		stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(conn).DeltaAggregatedResources(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{Node: &corev3.Node{Id: "n"}, TypeUrl: xds.VirtualHostType}); err != nil {
			t.Fatal(err)
		}
		response, err := stream.Recv()
		if err != nil || len(response.GetResources()) != 1 {
			t.Fatalf("%v, %v: want the virtual host", response, err)
		}
		if err := stream.Send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: xds.VirtualHostType, ResponseNonce: response.GetNonce()}); err != nil {
			t.Fatal(err)
		}
		if !away {
			c.inSync("n", xds.VirtualHostType)
		}
		cancel()
		conn.Close()
		stop()
	}
}

// A copy that is too large to be read is not written, and the status says so.
func TestCopyTooLarge(t *testing.T) {
	c := newControl(t)
	c.publish("n", "1")
	folder := t.TempDir()
	store := newStore(folder, slog.New(slog.DiscardHandler))
	store.limit = 10
	socket, r, _ := startRelayWith(t, Options{}, c.address)
	p := startProgram(t, socket, "n", client.Delta, nil)
	p.subscribe()
	c.inSync("n", everything...)
	eventually(t, func() error {
		store.saveAll(r.all())
		if got := r.Status()[0]; got.Unsaved == "" || !got.Saved.IsZero() {
			return fmt.Errorf("status %+v: want that the copy could not be saved", got)
		}
		return nil
	})
	if files, err := os.ReadDir(folder); err != nil || len(files) > 0 {
		t.Errorf("files %v, %v: want none", files, err)
	}
}
