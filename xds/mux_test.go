package xds_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// TestMuxByNode: nodes get a type from the source that is chosen for them, and a node that moves to another one gets the
// difference.
func TestMuxByNode(t *testing.T) {
	resource := func(name, body string) *xds.Resource {
		return xds.NewResource(xds.EndpointType, name, []byte("\x0a"+string(rune(len(body)))+body), xds.ResourceOptions{})
	}
	near, far := xds.NewLinearCache(xds.EndpointType), xds.NewLinearCache(xds.EndpointType)
	near.Put(resource("a", "near"), resource("same", "same"))
	far.Put(resource("a", "far"), resource("same", "same"))
	var moved atomic.Bool
	mux := xds.NewMux(xds.MuxOptions{
		Types: map[string]xds.Source{xds.EndpointType: far},
		Nodes: map[string]func(*xds.Node) xds.Source{xds.EndpointType: func(n *xds.Node) xds.Source {
			if n.ID == "one" || moved.Load() {
				return near
			}
			return nil
		}},
	})
	_, conn := serve(t, mux, xds.ServerOptions{})
	type update struct{ name, version string }
	watch := func(id string) chan update {
		updates := make(chan update, 16)
		c := client.New(conn, client.Options{Node: &corev3.Node{Id: id}, Handle: func(u *client.Update) {
			for _, r := range u.Resources {
				updates <- update{r.Name, r.Version}
			}
			u.Accept()
		}})
		c.Subscribe(xds.EndpointType, "a", "same")
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { defer close(done); _ = c.Run(ctx) }()
		t.Cleanup(func() { cancel(); <-done })
		return updates
	}
	expect := func(updates chan update, from *xds.LinearCache, names ...string) {
		t.Helper()
		got := map[string]string{}
		for range names {
			select {
			case u := <-updates:
				got[u.name] = u.version
			case <-time.After(10 * time.Second):
				t.Fatalf("got %v, want %v", got, names)
			}
		}
		for _, name := range names {
			if want := from.Get(name).Version(); got[name] != want {
				t.Errorf("%s has version %q, want %q", name, got[name], want)
			}
		}
	}
	one, two := watch("one"), watch("two")
	expect(one, near, "a", "same")
	expect(two, far, "a", "same")
	moved.Store(true)
	mux.Reassign()
	expect(two, near, "a") // the other one is the same
	near.Put(resource("a", "nearer"))
	expect(one, near, "a")
	expect(two, near, "a")
}
