package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/doyen-mesh/doyen/xds"
	"github.com/doyen-mesh/doyen/xds/client"
)

// patience is how long a test waits for something that should happen immediately.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEndpoints(t *testing.T) {
	for name, protocol := range map[string]client.Protocol{"delta": client.Delta, "state of the world": client.SotW} {
		t.Run(name, func(t *testing.T) {
			streams, changes := start(t)
			c, updates := connect(t, streams, protocol)
			c.Subscribe(xds.ClusterType, client.Wildcard)
			expect(t, updates, xds.ClusterType)

			call(t, http.MethodPut, "http://"+changes+"/users/10.0.0.7:8080", http.StatusOK)
			expect(t, updates, xds.ClusterType, "users")
			c.Subscribe(xds.EndpointType, "users")
			expect(t, updates, xds.EndpointType, "users 10.0.0.7")
			call(t, http.MethodPut, "http://"+changes+"/orders/10.0.0.9:8080", http.StatusOK)
			expect(t, updates, xds.ClusterType, clustersAfter(protocol)...)
			call(t, http.MethodPut, "http://"+changes+"/users/10.0.0.8:8080", http.StatusOK)
			expect(t, updates, xds.EndpointType, "users 10.0.0.7 10.0.0.8")
			call(t, http.MethodDelete, "http://"+changes+"/users/10.0.0.7:8080", http.StatusOK)
			expect(t, updates, xds.EndpointType, "users 10.0.0.8")
			call(t, http.MethodDelete, "http://"+changes+"/users/10.0.0.8:8080", http.StatusOK)
			expect(t, updates, xds.EndpointType, "users")
		})
	}
}

// clustersAfter returns what a client receives when a second cluster is added.
func clustersAfter(p client.Protocol) []string {
	if p == client.Delta {
		return []string{"orders"}
	}
	return []string{"orders", "users"}
}

func TestBadAddress(t *testing.T) {
	_, changes := start(t)
	call(t, http.MethodPut, "http://"+changes+"/users/localhost:8080", http.StatusBadRequest)
}

// start runs the program and returns its addresses.
func start(t *testing.T) (streams, changes string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	read, stderr := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"-xds", "127.0.0.1:0", "-http", "127.0.0.1:0"}, stderr) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	line, err := bufio.NewReader(read).ReadString('\n')
	fields := strings.Fields(line)
	if err != nil || len(fields) != 3 || fields[0] != "ready" {
		t.Fatalf("it said %q, %v", line, err)
	}
	return fields[1], fields[2]
}

// connect runs a client that accepts everything.
func connect(t *testing.T, address string, p client.Protocol) (*client.Client, <-chan *client.Update) {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	updates := make(chan *client.Update, 100)
	c := client.New(connection, client.Options{
		Node: &corev3.Node{Id: "test"}, Protocol: p,
		Handle: func(u *client.Update) {
			u.Accept()
			updates <- u
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = c.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		connection.Close()
	})
	return c, updates
}

// expect compares the next update. For endpoints it compares names and addresses.
func expect(t *testing.T, updates <-chan *client.Update, typeURL string, want ...string) {
	t.Helper()
	select {
	case u := <-updates:
		var got []string
		for _, r := range u.Resources {
			got = append(got, describe(t, r))
		}
		if u.Type != typeURL {
			t.Errorf("update is of %s, want %s", u.Type, typeURL)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("resources (-want +got):\n%s", diff)
		}
	case <-time.After(patience):
		t.Fatalf("no update; want %s %q", typeURL, want)
	}
}

func describe(t *testing.T, r client.Resource) string {
	t.Helper()
	m, err := r.Body.UnmarshalNew()
	if err != nil {
		t.Fatal(err)
	}
	named, ok := m.(interface{ GetName() string })
	if ok {
		return named.GetName()
	}
	a := m.(*endpointv3.ClusterLoadAssignment)
	words := []string{a.ClusterName}
	for _, e := range a.Endpoints[0].LbEndpoints {
		words = append(words, e.GetEndpoint().GetAddress().GetSocketAddress().GetAddress())
	}
	return strings.Join(words, " ")
}

func call(t *testing.T, method, url string, want int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != want {
		t.Errorf("%s %s: %s, want %d", method, url, response.Status, want)
	}
}
