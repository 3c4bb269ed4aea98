package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// watching runs doyen instances --watch against a server with a registry, until the test ends.
func watching(t *testing.T, args ...string) (*registry.Registry, io.Reader) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	instances, err := registry.New(ctx, registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(api.Handler(api.Options{Registry: instances}))
	out, to := io.Pipe()
	ended := make(chan int, 1)
	go func() { _ = instances.Run(ctx) }()
	go func() {
		i := Invocation{Version: "v1", Args: append([]string{"instances", "--watch", "--server", server.URL}, args...), Stdout: to, Stderr: io.Discard, Getenv: func(string) string { return "" }}
		ended <- i.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		go func() { _, _ = io.Copy(io.Discard, out) }()
		if status := <-ended; status != 0 {
			t.Errorf("exit status %d", status)
		}
		out.Close()
		<-instances.Done()
		server.Close()
	})
	return instances, out
}

func checkIn(t *testing.T, to *registry.Registry, address string) {
	t.Helper()
	if _, err := to.CheckIn(t.Context(), registry.Instance{Key: registry.Key{Service: "users", Address: netip.MustParseAddrPort(address)}}); err != nil {
		t.Fatal(err)
	}
}

func TestWatchInstances(t *testing.T) {
	instances, out := watching(t, "users")
	lines := bufio.NewScanner(out)
	expect := func(want string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), want) {
				return
			}
		}
		t.Fatalf("the output ended without %q: %v", want, lines.Err())
	}
	expect("no instance of users is registered")
	checkIn(t, instances, "10.0.0.7:9211")
	expect("10.0.0.7:9211")
	checkIn(t, instances, "10.0.0.8:9211")
	expect("10.0.0.7:9211")
	expect("10.0.0.8:9211")
}

func TestWatchInstancesAsJSON(t *testing.T) {
	instances, out := watching(t, "-o", "json")
	values := json.NewDecoder(out)
	for want := range 3 {
		var answer api.Instances
		if err := values.Decode(&answer); err != nil || len(answer.Instances) != want {
			t.Fatalf("got %+v, %v: want %d instances", answer, err, want)
		}
		checkIn(t, instances, netip.AddrPortFrom(netip.MustParseAddr("10.0.0.7"), uint16(9000+want)).String())
	}
}
