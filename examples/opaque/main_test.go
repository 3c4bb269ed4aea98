package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	xdsclient "github.com/doyen-mesh/doyen/xds/client"
)

// patience is how long a test waits for something that should happen immediately.
const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFlags(t *testing.T) {
	streams, pages := start(t)
	call(t, http.MethodPut, pages+"/flags/theme", "dark")
	c := connect(t, streams, "app")
	c.Subscribe(flagType, "theme", "beta")

	if got := value(c.next(t)); got != "theme=dark" {
		t.Errorf("first update is %q", got)
	}
	c.answer(nil)
	call(t, http.MethodPut, pages+"/flags/beta", "maybe")
	if got := value(c.next(t)); got != "beta=maybe" {
		t.Errorf("second update is %q", got)
	}
	c.answer(errors.New("neither on nor off"))
	want := []client{{Node: "app", Method: "delta-ads", Refused: "neither on nor off"}}
	expectStatus(t, pages, want)

	call(t, http.MethodPut, pages+"/flags/beta", "on")
	c.next(t)
	c.answer(nil)
	expectStatus(t, pages, []client{{Node: "app", Method: "delta-ads", InSync: true}})
	call(t, http.MethodDelete, pages+"/flags/theme", "")
	if u := c.next(t); !cmp.Equal(u.Removed, []string{"theme"}) {
		t.Errorf("removed are %q", u.Removed)
	}
	c.answer(nil)

	wantEvents := []string{
		`app opened delta-ads`,
		`app asked for ["beta" "theme"]`,
		`app was sent ["theme"], without ["beta"]`,
		`app was sent ["beta"], without []`,
		`app refused ["beta"]: neither on nor off`,
		`app was sent ["beta"], without []`,
		`app was sent [], without ["theme"]`,
	}
	if diff := cmp.Diff(wantEvents, strings.Split(strings.TrimSpace(call(t, http.MethodGet, pages+"/events", "")), "\n")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

func TestAnonymousIsRefused(t *testing.T) {
	streams, _ := start(t)
	c := connect(t, streams, "")
	c.Subscribe(flagType, xdsclient.Wildcard)
	select {
	case err := <-c.failed:
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("stream ended with %v", err)
		}
	case <-time.After(patience):
		t.Fatal("stream goes on")
	}
}

// start runs the program and returns its addresses; that of its pages is a URL.
func start(t *testing.T) (streams, pages string) {
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
	return fields[1], "http://" + fields[2]
}

// application is a client that answers updates when the test says so.
type application struct {
	*xdsclient.Client
	updates chan *xdsclient.Update
	failed  chan error
	last    *xdsclient.Update
}

func connect(t *testing.T, address, node string) *application {
	t.Helper()
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	a := &application{updates: make(chan *xdsclient.Update, 100), failed: make(chan error, 100)}
	a.Client = xdsclient.New(connection, xdsclient.Options{
		Node:   &corev3.Node{Id: node},
		Handle: func(u *xdsclient.Update) { a.updates <- u },
		Connection: func(err error) {
			if err != nil {
				a.failed <- err
			}
		},
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = a.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
		connection.Close()
	})
	return a
}

func (a *application) next(t *testing.T) *xdsclient.Update {
	t.Helper()
	select {
	case a.last = <-a.updates:
	case <-time.After(patience):
		t.Fatal("no update")
	}
	return a.last
}

// answer accepts the last update, or rejects it with a reason.
func (a *application) answer(reason error) {
	if reason != nil {
		a.last.Reject(reason)
		return
	}
	a.last.Accept()
}

func value(u *xdsclient.Update) string {
	var all []string
	for _, r := range u.Resources {
		all = append(all, r.Name+"="+string(r.Body.Value))
	}
	return strings.Join(all, " ")
}

// expectStatus waits until the status is as wanted, apart from the versions.
func expectStatus(t *testing.T, pages string, want []client) {
	t.Helper()
	var got []client
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		got = nil
		if err := json.Unmarshal([]byte(call(t, http.MethodGet, pages+"/status", "")), &got); err != nil {
			t.Fatal(err)
		}
		for i := range got {
			got[i].Sent, got[i].Acknowledged = "", ""
		}
		if cmp.Equal(want, got) {
			return
		}
	}
	t.Errorf("status (-want +got):\n%s", cmp.Diff(want, got))
}

func call(t *testing.T, method, url, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s, %v", method, url, response.Status, text, err)
	}
	return string(text)
}
