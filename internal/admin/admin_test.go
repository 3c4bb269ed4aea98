package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/config/source"
	"github.com/doyen-mesh/doyen/internal/control"
	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	registryapi "github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/report"
	"github.com/doyen-mesh/doyen/xds"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errTest = errors.New("test")

// serve returns the whole handler over running parts, and the folder of documents.
func serve(t *testing.T, documents string) (handler http.Handler, folder string) {
	t.Helper()
	handler, folder, _ = serveAll(t, documents)
	return handler, folder
}

// serveAll is serve, and also returns the xDS server.
func serveAll(t testing.TB, documents string) (handler http.Handler, folder string, engine *xds.Server) {
	t.Helper()
	folder = t.TempDir()
	write(t, folder, documents)
	log := slog.New(slog.DiscardHandler)
	watched, err := source.Open(source.Options{Folder: folder, State: t.TempDir(), Log: log})
	if err != nil {
		t.Fatal(err)
	}
	instances, err := registry.New(t.Context(), registry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	published := control.New(control.Inputs{Documents: control.Everywhere(watched), Instances: instances, Reports: report.NewCollector()}, log)
	engine = xds.NewServer(published.Source(), xds.ServerOptions{Callbacks: published.Callbacks()})
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, part := range []func(context.Context) error{watched.Run, instances.Run, published.Run, engine.Run} {
		running.Go(func() { _ = part(ctx) })
	}
	t.Cleanup(func() { engine.Shutdown(); cancel(); running.Wait() })
	<-published.Ready()
	return Handler(Options{
		Version: "v1", Started: time.Now(), Hosts: []string{"doyen.example.com"},
		Documents: watched, Registry: instances, Control: published, XDS: engine,
		Instances: registryapi.Handler(registryapi.Options{Registry: instances}),
		Metrics:   http.NotFoundHandler(),
	}), folder, engine
}

func write(t testing.TB, folder, documents string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "mesh.yaml"), []byte(documents), 0o644); err != nil {
		t.Fatal(err)
	}
}

// request sends one request and decodes the answer into out, which may be nil.
func request(t testing.TB, h http.Handler, method, path, body string, out any) *http.Response {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, strings.NewReader(body))
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if out != nil {
		if err := json.Unmarshal(w.Body.Bytes(), out); err != nil {
			t.Fatalf("%s %s: %s: %v", method, path, w.Body, err)
		}
	}
	return w.Result()
}

// until requests the status until it fits.
func until(t testing.TB, h http.Handler, what string, fits func(api.Status) bool) api.Status {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var s api.Status
		request(t, h, http.MethodGet, "/v1/status", "", &s)
		if fits(s) {
			return s
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s; the status is %+v", what, s)
		}
	}
}

func TestStatusFollowsDocumentsAndInstances(t *testing.T) {
	h, folder := serve(t, shop)
	s := until(t, h, "the documents are in force", func(s api.Status) bool { return s.Server.Revision != "" })
	if s.Server.Revision != s.Config.Revision || s.Config.Folder != folder || s.Server.Version != "v1" {
		t.Errorf("status %+v", s)
	}
	if want := []string{"edge-missing public"}; !slices.Equal(kinds(s.Findings), want) {
		t.Errorf("findings %q, want %q", kinds(s.Findings), want)
	}
	if r := request(t, h, http.MethodPut, "/v1/instances/users/10.0.0.7:9211", `{"proxy": "sidecar/users/10.0.0.7:9211"}`, nil); r.StatusCode != http.StatusCreated {
		t.Fatalf("the check-in is answered %s", r.Status)
	}
	s = until(t, h, "the instance's proxy is missing", func(s api.Status) bool { return len(s.Findings) == 2 })
	if s.Summary.Instances.Healthy != 1 || s.Summary.Proxies.Missing != 2 || s.Findings[1].Kind != api.ProxyMissing {
		t.Errorf("status %+v", s)
	}
	request(t, h, http.MethodPut, "/v1/instances/users/10.0.0.7:9211", `{"state": "unhealthy"}`, nil)
	s = until(t, h, "the service is unhealthy", func(s api.Status) bool { return s.Summary.Instances.Unhealthy == 1 })
	if f := s.Findings[0]; f.Kind != api.ServiceUnhealthy || f.Subject != "users" {
		t.Errorf("findings %+v", s.Findings)
	}
	write(t, folder, strings.Replace(shop, "ports", "prots", 1))
	s = until(t, h, "the mistake is shown", func(s api.Status) bool { return len(s.Config.Problems) > 0 })
	if f := s.Findings[0]; f.Kind != api.DocumentsRefused || !strings.Contains(f.Message, s.Config.Revision) || !strings.Contains(f.Hint, "doyen validate "+folder) {
		t.Errorf("finding %+v", f)
	}
}

func TestServices(t *testing.T) {
	h, _ := serve(t, shop)
	var all api.Services
	request(t, h, http.MethodGet, "/v1/services", "", &all)
	if len(all.Services) != 1 || all.Services[0].Name != "users" || all.Services[0].Ports[0].Port != 8081 {
		t.Errorf("services %+v", all)
	}
	var one api.Service
	if r := request(t, h, http.MethodGet, "/v1/services/users", "", &one); r.StatusCode != http.StatusOK || one.Origin != "mesh.yaml:1:1" {
		t.Errorf("%s: %+v", r.Status, one)
	}
	var edges api.Edges
	if request(t, h, http.MethodGet, "/v1/edges", "", &edges); len(edges.Edges) != 1 || edges.Edges[0].Name != "public" {
		t.Errorf("edges %+v", edges)
	}
	var edge api.Edge
	if r := request(t, h, http.MethodGet, "/v1/edges/public", "", &edge); r.StatusCode != http.StatusOK || len(edge.Listeners) != 1 || edge.Listeners[0].Port != 8000 {
		t.Errorf("%s: %+v", r.Status, edge)
	}
}

// TestRefusals sends one wrong request of each kind and expects an explanation.
func TestRefusals(t *testing.T) {
	h, _ := serve(t, shop)
	for _, test := range []struct {
		method, path, body string
		status             int
		says, hints        string
	}{
		{"GET", "/v1/services/nobody", "", 404, `service "nobody"`, "doyen services"},
		{"GET", "/v1/services/%1b[2J", "", 404, `service "\x1b[2J"`, ""},
		{"GET", "/v1/services/user", "", 404, `service "user"`, "did you mean users?"},
		{"GET", "/v1/edges/nobody", "", 404, `edge "nobody"`, "Edge document"},
		{"GET", "/v1/edges/pubic", "", 404, `edge "pubic"`, "did you mean public?"},
		{"POST", "/v1/config/accept", `{"revision": "nothing"}`, 404, "nothing", "doyen status"},
		{"POST", "/v1/config/accept", `{"revison": "a"}`, 400, "revison", `{"revision": "..."}`},
		{"POST", "/v1/config/accept", `{"revision": "a"} {}`, 400, "more than one JSON value", ""},
		{"POST", "/v1/config/accept", `{"revision": "` + strings.Repeat("a", httpapi.MaxBody) + `"}`, 413, "more than", ""},
		{"DELETE", "/v1/status", "", 405, "has no method DELETE", "GET"},
		{"GET", "/v1/config/accept", "", 405, "has no method GET", "POST"},
		{"GET", "/v2/status", "", 404, "/v2/status", "/v1/status"},
		{"GET", "/debug/pprof/", "", 404, "/debug/pprof/", ""},
	} {
		t.Run(test.method+" "+test.path, func(t *testing.T) {
			var answer httpapi.Error
			r := request(t, h, test.method, test.path, test.body, &answer)
			if r.StatusCode != test.status || !strings.Contains(answer.Error, test.says) || !strings.Contains(answer.Hint, test.hints) {
				t.Errorf("%s: %+v", r.Status, answer)
			}
			if test.status == http.StatusMethodNotAllowed && r.Header.Get("Allow") != test.hints {
				t.Errorf("Allow: %s", r.Header.Get("Allow"))
			}
		})
	}
}

// TestGuard sends what a page in a browser on this machine could send. All of it is refused.
func TestGuard(t *testing.T) {
	h, _ := serve(t, shop)
	for _, test := range []struct {
		method, host, contentType string
		status                    int
	}{
		{"GET", "127.0.0.1:18001", "", 200},
		{"GET", "[::1]:18001", "", 200},
		{"GET", "[::1]", "", 200},
		{"GET", "localhost:18001", "", 200},
		{"GET", "LOCALHOST", "", 200},
		{"GET", "doyen.example.com", "", 200},
		{"GET", "Doyen.Example.Com:18001", "", 200},
		{"GET", "evil.example.com", "", 421},
		{"GET", "127.0.0.1.evil.example.com", "", 421},
		{"GET", "localhost.evil.example.com:18001", "", 421},
		{"GET", "", "", 421},
		{"POST", "127.0.0.1", "application/json; charset=utf-8", 400},
		{"POST", "127.0.0.1", "", 415},
		{"POST", "127.0.0.1", "text/plain", 415},
		{"POST", "127.0.0.1", "application/x-www-form-urlencoded", 415},
		{"POST", "evil.example.com", "application/json", 421},
	} {
		path := map[string]string{"GET": "/healthz", "POST": "/v1/config/accept"}[test.method]
		r := httptest.NewRequestWithContext(t.Context(), test.method, path, nil)
		r.Host = test.host
		r.Header.Set("Content-Type", test.contentType)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != test.status {
			t.Errorf("%s of host %q with %q: status %d, want %d", test.method, test.host, test.contentType, w.Code, test.status)
		}
	}
}
