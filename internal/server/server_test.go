package server_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/server"
)

func TestMain(m *testing.M) {
	// After it refused a body, net/http waits half a second before it closes the connection.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

const users = "kind: Service\nname: users\nowner: identity@example.com\nports: [8080]\ncalls: [mail]\n---\nkind: Service\nname: mail\nports: [2525/tcp]\n"

// options returns options for a server on free ports, with one folder of documents.
func options(t *testing.T, documents string) server.Options {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "users.yaml"), []byte(documents), 0o644); err != nil {
		t.Fatal(err)
	}
	return server.Options{
		Config: folder, Data: t.TempDir(), GRPC: "127.0.0.1:0", HTTP: "127.0.0.1:0", Version: "test",
		Log: slog.New(slog.DiscardHandler),
	}
}

// runAll starts a server, which ends with the test, and returns its addresses.
func runAll(t *testing.T, o server.Options) server.Addresses {
	t.Helper()
	ready := make(chan server.Addresses, 1)
	o.Ready = func(on server.Addresses) { ready <- on }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	select {
	case on := <-ready:
		return on
	case err := <-ended:
		t.Fatalf("the server ended: %v", err)
	case <-time.After(30 * time.Second):
		t.Fatal("the server was not ready within 30 s")
	}
	return server.Addresses{}
}

// TestSecondServerChangesNothing starts a second server with the same data folder. Even if it is for other documents,
// it does not start, changes nothing in the folder, and says which process uses it.
func TestSecondServerChangesNothing(t *testing.T) {
	o := options(t, users)
	run(t, o)
	before := contents(t, o.Data)
	second := options(t, users+"---\nkind: Service\nname: intruder\nports: 1\n")
	second.Data = o.Data
	err := refused(t, second)
	for _, want := range []string{o.Data, "in use by process", "documents in " + o.Config} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q: want one that says %q", err, want)
		}
	}
	if diff := cmp.Diff(before, contents(t, o.Data)); diff != "" {
		t.Errorf("the data folder was changed: %s", diff)
	}
}

// contents returns the files below a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// refused runs a server that must not start, and returns why it did not.
func refused(t *testing.T, o server.Options) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o.Ready = func(server.Addresses) { cancel() }
	err := server.Run(ctx, o)
	if err == nil {
		t.Fatal("the server started")
	}
	return err
}

func TestRefusesToStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()

	t.Run("broken folder and nothing accepted before", func(t *testing.T) {
		var invalid *server.InvalidError
		if err := refused(t, options(t, "kind: Servise\n")); !errors.As(err, &invalid) || len(invalid.Problems) == 0 || invalid.Problems[0].Origin.Line != 1 {
			t.Errorf("got %v: want the problem with its line", err)
		}
	})
	t.Run("most of the mesh removed, and what was accepted before is not valid any more", func(t *testing.T) {
		o := options(t, users)
		accepted := filepath.Join(o.Data, "documents")
		if err := os.Mkdir(accepted, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(accepted, "accepted.json"), []byte(`{"format":2,"added":{"service":["x","y","z"]},"files":{"x.yaml":"a2luZDogR29uZQo="}}`), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := refused(t, o); !strings.Contains(err.Error(), "it would remove 3 of 3 services") || !strings.Contains(err.Error(), accepted) {
			t.Errorf("got %v: want what would go, and the folder that remembers it", err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		o := options(t, users)
		o.Config = filepath.Join(o.Config, "none")
		if err := refused(t, o); !strings.Contains(err.Error(), o.Config) || !strings.Contains(err.Error(), "no such folder") {
			t.Errorf("got %v: want that there is no %s", err, o.Config)
		}
	})
	t.Run("gRPC port taken", func(t *testing.T) {
		o := options(t, users)
		o.GRPC = taken.Addr().String()
		if err := refused(t, o); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "gRPC port "+o.GRPC) {
			t.Errorf("got %v: want which port is taken", err)
		}
	})
	t.Run("HTTP port taken", func(t *testing.T) {
		o := options(t, users)
		o.HTTP = taken.Addr().String()
		if err := refused(t, o); !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "HTTP port "+o.HTTP) {
			t.Errorf("got %v: want which port is taken", err)
		}
	})
	t.Run("data folder in use by another server", func(t *testing.T) {
		o := options(t, users)
		run(t, o)
		if err := refused(t, o); !strings.Contains(err.Error(), o.Data) {
			t.Errorf("got %v: want that %s is in use", err, o.Data)
		}
	})
}

// TestBrokenFolderAfterAGoodOne restarts a server whose folder has become invalid meanwhile: it serves what was
// accepted before.
func TestBrokenFolderAfterAGoodOne(t *testing.T) {
	o := options(t, users)
	t.Run("good", func(t *testing.T) { run(t, o) })
	if err := os.WriteFile(filepath.Join(o.Config, "users.yaml"), []byte("kind: Service\nname: users\nprots: [8080]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	address := run(t, o)
	status, body := call(t, http.MethodGet, "http://"+address+"/v1/status", "", nil)
	if status != http.StatusOK || !strings.Contains(body, "prots") {
		t.Errorf("status %d %s: want the problem", status, body)
	}
	if status, body = call(t, http.MethodGet, "http://"+address+"/v1/services/users", "", nil); status != http.StatusOK {
		t.Errorf("status %d %s: want the service as it was accepted", status, body)
	}
}

func TestHTTP(t *testing.T) {
	address := run(t, options(t, users))
	for name, c := range map[string]struct {
		method, path, body string
		header             map[string]string
		status             int
		want               string
	}{
		"service":              {method: "GET", path: "/v1/services/users", status: 200, want: `"owner":"identity@example.com"`},
		"tcp call's port":      {method: "GET", path: "/v1/services/users", status: 200, want: `"localPort":2525`},
		"unknown service":      {method: "GET", path: "/v1/services/usres", status: 404, want: "has no manifest"},
		"health":               {method: "GET", path: "/healthz", status: 200, want: "ok"},
		"metrics":              {method: "GET", path: "/metrics", status: 200, want: "go_goroutines"},
		"profiles off":         {method: "GET", path: "/debug/pprof/", status: 404},
		"instances":            {method: "GET", path: "/v1/instances", status: 200, want: `"instances"`},
		"unknown revision":     {method: "POST", path: "/v1/config/accept", body: `{"revision": "x"}`, header: jsonHeader, status: 404, want: "doyen status"},
		"unknown field":        {method: "POST", path: "/v1/config/accept", body: `{"revison": "x"}`, header: jsonHeader, status: 400, want: "revison"},
		"two values":           {method: "POST", path: "/v1/config/accept", body: `{"revision": "x"} {}`, header: jsonHeader, status: 400, want: "more than one"},
		"too large":            {method: "POST", path: "/v1/config/accept", body: `{"revision": "` + strings.Repeat("x", 1<<20) + `"}`, header: jsonHeader, status: 413, want: "more than 65536 bytes"},
		"a form from a page":   {method: "POST", path: "/v1/config/accept", body: `{}`, header: map[string]string{"Content-Type": "text/plain"}, status: 415, want: "application/json"},
		"a name from a page":   {method: "GET", path: "/v1/status", header: map[string]string{"Host": "evil.example.com"}, status: 421, want: "--http-host evil.example.com"},
		"localhost":            {method: "GET", path: "/v1/status", header: map[string]string{"Host": "localhost:18001"}, status: 200},
		"IPv6":                 {method: "GET", path: "/v1/status", header: map[string]string{"Host": "[::1]:18001"}, status: 200},
		"nothing there":        {method: "GET", path: "/v1/nothing", status: 404, want: `"error":"there is no /v1/nothing"`},
		"state changed by GET": {method: "GET", path: "/v1/config/accept", status: 405, want: `"hint":"it has POST"`},
		"a method too many":    {method: "DELETE", path: "/v1/status", status: 405, want: `"hint":"it has GET"`},
	} {
		t.Run(name, func(t *testing.T) {
			status, body := call(t, c.method, "http://"+address+c.path, c.body, c.header)
			if status != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %d %s: want %d with %q", status, body, c.status, c.want)
			}
		})
	}
}

var jsonHeader = map[string]string{"Content-Type": "application/json"}

// call sends one request and returns status and body.
func call(t *testing.T, method, url, body string, header map[string]string) (int, string) {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range header {
		request.Header.Set(key, value)
	}
	request.Host = request.Header.Get("Host")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// TestInstancesSurviveARestart checks an instance in, and finds it after a restart.
func TestInstancesSurviveARestart(t *testing.T) {
	o := options(t, users)
	t.Run("before", func(t *testing.T) {
		address := run(t, o)
		status, body := call(t, http.MethodPut, "http://"+address+"/v1/instances/users/10.0.0.7:9211", `{"state": "healthy"}`, jsonHeader)
		if status != http.StatusCreated {
			t.Fatalf("check-in: %d %s", status, body)
		}
	})
	address := run(t, o)
	_, body := call(t, http.MethodGet, "http://"+address+"/v1/services/users", "", nil)
	var service struct{ Instances struct{ Healthy int } }
	if err := json.Unmarshal([]byte(body), &service); err != nil || service.Instances.Healthy != 1 {
		t.Errorf("got %s, %v: want one healthy instance", body, err)
	}
}
