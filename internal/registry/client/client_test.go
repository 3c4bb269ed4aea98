package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial returns a client of a server with that handler, both of which end with the test.
func dial(t *testing.T, h http.Handler) *client.Client {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	c, err := client.New(server.URL+"/", server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// dialRegistry returns a client of a real registry.
func dialRegistry(t *testing.T) (*client.Client, *registry.Registry) {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	return dial(t, api.Handler(api.Options{Registry: r})), r
}

func user(address string) registry.Instance {
	return registry.Instance{
		Key:   registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)},
		Ports: map[mesh.PortName]int{"admin": 9212}, Zone: "a", Tags: map[string]string{"build": "<&>"},
		Weight: 7, State: registry.Starting, Reason: "no answer", Lease: 90 * time.Second, Identity: "spiffe://mesh/users", Proxy: "sidecar/users/1",
	}
}

func TestEverythingArrives(t *testing.T) {
	c, r := dialRegistry(t)
	for _, address := range []string{"10.0.0.7:80", "[2001:db8::7]:80"} {
		want := user(address)
		answer, err := c.CheckIn(t.Context(), want)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Snapshot().Instance(want.Key); got == nil || !got.Equal(&want) {
			t.Errorf("the registry has %+v, want %+v", got, want)
		}
		if d := time.Duration(answer.RenewAfter); d < 8*time.Second || d > 9*time.Second || answer.Instance.Address != want.Address {
			t.Errorf("answer %+v, want to renew after 8s-9s", answer)
		}
	}
	minimal := registry.Instance{Key: registry.Key{Service: "orders", Address: netip.MustParseAddrPort("10.0.0.9:80")}}
	if _, err := c.CheckIn(t.Context(), minimal); err != nil {
		t.Errorf("with defaults: %v", err)
	}
	all, err := c.Instances(t.Context(), "")
	if err != nil || len(all.Instances) != 3 {
		t.Errorf("all: %+v, %v", all, err)
	}
}

func TestLeave(t *testing.T) {
	c, r := dialRegistry(t)
	i := user("10.0.0.7:80")
	if _, err := c.CheckIn(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	for range 2 { // who has left already leaves without an error
		if left, err := c.Leave(t.Context(), i.Key, registry.Incarnation{}, time.Second); err != nil || left.Acknowledged || left.Reason == "" {
			t.Errorf("left %+v, %v", left, err)
		}
	}
	if n := r.Snapshot().Size(); n != 0 {
		t.Errorf("%d instances are left", n)
	}
}

func TestWatch(t *testing.T) {
	c, _ := dialRegistry(t)
	first, changed, err := c.Watch(t.Context(), "users", "", time.Minute)
	if err != nil || !changed {
		t.Fatalf("without a version: %+v, %t, %v, want an answer at once", first, changed, err)
	}
	if _, changed, err := c.Watch(t.Context(), "users", first.Version, time.Millisecond); err != nil || changed {
		t.Errorf("with nothing new: %t, %v", changed, err)
	}
	if _, err := c.CheckIn(t.Context(), user("10.0.0.7:80")); err != nil {
		t.Fatal(err)
	}
	if next, changed, err := c.Watch(t.Context(), "users", first.Version, time.Minute); err != nil || !changed || len(next.Instances) != 1 {
		t.Errorf("after a check-in: %+v, %t, %v", next, changed, err)
	}
}

func TestDecide(t *testing.T) {
	c, _ := dialRegistry(t)
	if doubts, err := c.Doubts(t.Context()); err != nil || len(doubts) != 0 {
		t.Errorf("doubts %v, %v", doubts, err)
	}
	for _, service := range []mesh.ServiceName{"", "users"} {
		var refused *httpapi.Refused
		if _, err := c.Decide(t.Context(), service, registry.Keep); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
			t.Errorf("%q: %v, want 404", service, err)
		}
	}
}

func TestRefusals(t *testing.T) {
	c, _ := dialRegistry(t)
	bad := user("10.0.0.7:80")
	bad.Weight, bad.Zone = 5000, "A"
	_, err := c.CheckIn(t.Context(), bad)
	var refused *httpapi.Refused
	if !errors.As(err, &refused) || refused.Temporary() {
		t.Fatalf("got %v, want a refusal for good", err)
	}
	for _, part := range []string{"2 things are wrong", "weight", "want 1-1000", "zone"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestCallEndsWithItsContext(t *testing.T) {
	release := make(chan struct{})
	c := dial(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.CheckIn(ctx, user("10.0.0.7:80")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's deadline", err)
	}
}
