package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// server is a handler over a running registry, and how to call it.
type server struct {
	t        *testing.T
	registry *registry.Registry
	handler  http.Handler
	end      context.CancelFunc // ends the registry
}

// serve returns a server whose registry ends with the test.
func serve(t *testing.T, options api.Options, store registry.Store) *server {
	t.Helper()
	r, err := registry.New(t.Context(), registry.Options{Store: store})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { _ = r.Run(ctx) })
	t.Cleanup(func() { cancel(); done.Wait() })
	options.Registry = r
	return &server{t, r, api.Handler(options), cancel}
}

// call makes one call and returns the answer's status and body.
func (s *server) call(method, target, body string) (*http.Response, string) {
	s.t.Helper()
	r := httptest.NewRequestWithContext(s.t.Context(), method, target, strings.NewReader(body))
	if method == http.MethodPut || method == http.MethodPost {
		r.Header.Set("Content-Type", "application/json")
	}
	return s.do(r)
}

func (s *server) do(r *http.Request) (*http.Response, string) {
	s.t.Helper()
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, r)
	answer := w.Result()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, string(body)
}

// want makes a call, fails unless the answer has the status, and decodes it into out.
func (s *server) want(status int, out any, method, target, body string) {
	s.t.Helper()
	answer, text := s.call(method, target, body)
	if answer.StatusCode != status {
		s.t.Fatalf("%s %s: got %d %s, want %d", method, target, answer.StatusCode, text, status)
	}
	if out != nil {
		if err := json.Unmarshal([]byte(text), out); err != nil {
			s.t.Fatalf("%s %s: answer %q: %v", method, target, text, err)
		}
	}
}

func key(service mesh.ServiceName, address string) registry.Key {
	return registry.Key{Service: service, Address: netip.MustParseAddrPort(address)}
}

func TestCheckInThenList(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	const body = `{"ports":{"admin":9212},"zone":"a","tags":{"build":"<4711>"},"weight":50,"state":"starting","lease":"2m","identity":"spiffe://mesh/users","proxy":"sidecar/users/1"}`
	var created api.CheckedIn
	s.want(http.StatusCreated, &created, "PUT", "/v1/instances/users/[2001:db8::7]:9211", body)
	s.want(http.StatusOK, nil, "PUT", "/v1/instances/users/%5B2001:db8::7%5D:9211", body)
	got := s.registry.Snapshot().Instance(key("users", "[2001:db8::7]:9211"))
	want := &registry.Instance{
		Key: key("users", "[2001:db8::7]:9211"), Ports: map[mesh.PortName]int{"admin": 9212}, Zone: "a",
		Tags: map[string]string{"build": "<4711>"}, Weight: 50, State: registry.Starting, Lease: 120e9, Identity: "spiffe://mesh/users", Proxy: "sidecar/users/1",
	}
	if got == nil || !got.Equal(want) {
		t.Fatalf("the registry has %+v, want %+v", got, want)
	}
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/orders/[::ffff:10.0.0.7]:80", `{}`)
	var all, one api.Instances
	s.want(http.StatusOK, &all, "GET", "/v1/instances", "")
	if len(all.Instances) != 2 || all.Instances[0].Address.String() != "10.0.0.7:80" || all.Instances[1].Tags["build"] != "<4711>" {
		t.Errorf("all: %+v", all)
	}
	s.want(http.StatusOK, &one, "GET", "/v1/instances/users", "")
	if len(one.Instances) != 1 || one.Instances[0].Service != "users" || one.Version == all.Version {
		t.Errorf("users: %+v", one)
	}
	var shown api.Instance
	s.want(http.StatusOK, &shown, "GET", "/v1/instances/users/[2001:db8::7]:9211", "")
	if shown.Lease.String() != "2m0s" || shown.Expires.Before(created.Instance.Expires) {
		t.Errorf("shown: %+v", shown)
	}
	s.want(http.StatusOK, &one, "GET", "/v1/instances/nobody", "")
	if len(one.Instances) != 0 {
		t.Errorf("nobody: %+v", one)
	}
}

// TestProxyGone: an instance whose proxy has left is shown so, and others are not.
func TestProxyGone(t *testing.T) {
	since := time.Date(2026, 11, 21, 9, 40, 0, 0, time.UTC)
	s := serve(t, api.Options{ProxyGone: func(i *registry.Instance) time.Time {
		if i.Proxy == "sidecar/users/1" {
			return since
		}
		return time.Time{}
	}}, nil)
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/users/10.0.0.1:80", `{"proxy":"sidecar/users/1"}`)
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/users/10.0.0.2:80", `{"proxy":"sidecar/users/2"}`)
	s.want(http.StatusCreated, nil, "PUT", "/v1/instances/users/10.0.0.3:80", `{}`)
	var all api.Instances
	s.want(http.StatusOK, &all, "GET", "/v1/instances", "")
	if i := all.Instances; len(i) != 3 || !i[0].ProxyGone.Equal(since) || !i[1].ProxyGone.IsZero() || !i[2].ProxyGone.IsZero() {
		t.Errorf("got %+v", all.Instances)
	}
}

func TestCheckInSaysWhenToRenew(t *testing.T) {
	s := serve(t, api.Options{}, nil)
	var answer api.CheckedIn
	s.want(http.StatusCreated, &answer, "PUT", "/v1/instances/users/10.0.0.7:80", `{"lease":"100s"}`)
	if d := answer.RenewAfter; d < 9e9 || d > 10e9 {
		t.Errorf("renew after %v, want 9s-10s", d)
	}
}

func TestUnreachedInstanceIsWarnedAbout(t *testing.T) {
	s := serve(t, api.Options{Unreached: func(k registry.Key) string { return string(k.Network) }}, nil)
	var answer api.CheckedIn
	s.want(http.StatusCreated, &answer, "PUT", "/v1/instances/users/10.0.0.7:80?network=dark", `{}`)
	if answer.Warning != "dark" || answer.Instance.Network != "dark" {
		t.Errorf("answer %+v, want a warning", answer)
	}
}

func TestUnknownServiceIsWarnedAbout(t *testing.T) {
	s := serve(t, api.Options{Known: func(n mesh.ServiceName) bool { return n == "users" }}, nil)
	var answer api.CheckedIn
	s.want(http.StatusCreated, &answer, "PUT", "/v1/instances/users/10.0.0.7:80", `{}`)
	if answer.Warning != "" {
		t.Errorf("a known service is warned about: %s", answer.Warning)
	}
	s.want(http.StatusCreated, &answer, "PUT", "/v1/instances/user/10.0.0.7:80", `{}`)
	if !strings.Contains(answer.Warning, "no manifest") {
		t.Errorf("warning %q, want one about the manifest", answer.Warning)
	}
}
