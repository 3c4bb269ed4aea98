package servers

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestTransportStaysUntilFailure sends requests with bodies: all go to one server, until that ends; then to the other,
// also after the first is back.
func TestTransportStaysUntilFailure(t *testing.T) {
	handler := func(name string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(w, "%s got %s for %s", name, body, r.Host)
		})
	}
	servers := map[string]*httptest.Server{}
	var urls []string
	for _, name := range []string{"a", "b"} {
		s := httptest.NewServer(handler(name))
		defer s.Close()
		servers[name] = s
		urls = append(urls, s.URL)
	}
	transport, err := NewTransport(urls)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	ask := func() string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodPut, "http://mesh.example/v1/x", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		name, rest, _ := strings.Cut(string(body), " ")
		if want := "got body for " + strings.TrimPrefix(servers[name].URL, "http://"); rest != want {
			t.Fatalf("%s %s, want %s", name, rest, want)
		}
		return name
	}
	first := ask()
	for range 10 {
		if now := ask(); now != first {
			t.Fatalf("%s answers, want %s", now, first)
		}
	}
	address := servers[first].Listener.Addr().String()
	servers[first].Close()
	second := ask()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	back := &http.Server{Handler: handler(first)}
	go func() { _ = back.Serve(listener) }()
	defer back.Close()
	for range 10 {
		if now := ask(); now != second || now == first {
			t.Fatalf("%s answers, want %s", now, second)
		}
	}
}

// TestSilentServerIsLeft: a server that takes a request and never answers gets one request, not the next.
func TestSilentServerIsLeft(t *testing.T) {
	release := make(chan struct{})
	silent := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer silent.Close()
	defer close(release)
	well := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer well.Close()
	transport, err := NewTransport([]string{silent.URL, well.URL})
	if err != nil {
		t.Fatal(err)
	}
	transport.current = 0
	client := &http.Client{Transport: transport}
	defer client.CloseIdleConnections()
	var results []error
	for _, limit := range []time.Duration{100 * time.Millisecond, 10 * time.Second} {
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://mesh.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err == nil {
			response.Body.Close()
		}
		results = append(results, err)
		cancel()
	}
	if results[0] == nil || results[1] != nil {
		t.Errorf("%v: want the first request to fail and the second to be answered", results)
	}
}

// TestDial reaches a server by a name with more addresses than those it listens at, beside one that is away.
func TestDial(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, health.NewServer())
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()
	away, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	for range 10 {
		conn, err := Dial(List(away.Addr().String() + ", localhost:" + port))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		if _, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{}); err != nil {
			t.Error(err)
		}
		cancel()
		conn.Close()
	}
}
