package health

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/mesh"
)

func TestProbesAskAsTheManifestSays(t *testing.T) {
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/healthz" {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer web.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	answers := health.NewServer()
	answers.SetServingStatus("users.Users", healthv1.HealthCheckResponse_SERVING)
	answers.SetServingStatus("users.Admin", healthv1.HealthCheckResponse_NOT_SERVING)
	server := grpc.NewServer()
	healthv1.RegisterHealthServer(server, answers)
	go func() { _ = server.Serve(listener) }()
	defer server.Stop()

	text := func(s string) *string { return &s }
	closed := "127.0.0.1:1"
	// One application wants its own host, the other HTTP/2.
	choosy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "shop.example.com" {
			w.WriteHeader(http.StatusMisdirectedRequest)
		}
	}))
	defer choosy.Close()
	modern := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	modern.Config.Protocols = new(http.Protocols)
	modern.Config.Protocols.SetUnencryptedHTTP2(true)
	modern.Start()
	defer modern.Close()
	tests := []struct {
		name     string
		health   *api.Health
		address  string
		err      string
		protocol mesh.Protocol
	}{
		{"http well", &api.Health{HTTP: "/healthz"}, web.Listener.Addr().String(), "", mesh.HTTP},
		{"http unwell", &api.Health{HTTP: "/other"}, web.Listener.Addr().String(), "503", mesh.HTTP},
		{"http closed", &api.Health{HTTP: "/healthz"}, closed, "refused", mesh.HTTP},
		{"grpc server", &api.Health{GRPC: text("")}, listener.Addr().String(), "", mesh.HTTP},
		{"grpc service", &api.Health{GRPC: text("users.Users")}, listener.Addr().String(), "", mesh.HTTP},
		{"grpc not serving", &api.Health{GRPC: text("users.Admin")}, listener.Addr().String(), "NOT_SERVING", mesh.HTTP},
		{"grpc unknown", &api.Health{GRPC: text("nobody")}, listener.Addr().String(), "unknown service", mesh.HTTP},
		{"grpc closed", &api.Health{GRPC: text("")}, closed, "refused", mesh.HTTP},
		{"tcp", &api.Health{TCP: true}, listener.Addr().String(), "", mesh.HTTP},
		{"tcp closed", &api.Health{TCP: true}, closed, "refused", mesh.HTTP},
		{"no check", nil, listener.Addr().String(), "", mesh.HTTP},
		{"its host", &api.Health{HTTP: "/", Host: "shop.example.com"}, choosy.Listener.Addr().String(), "", mesh.HTTP},
		{"another host", &api.Health{HTTP: "/", Host: "shop"}, choosy.Listener.Addr().String(), "421", mesh.HTTP},
		{"http2", &api.Health{HTTP: "/"}, modern.Listener.Addr().String(), "", mesh.HTTP2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := NewProber(test.health, test.protocol, test.address).Once(t.Context())
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error = %v, want one that contains %q", err, test.err)
			}
		})
	}
}

// TestProberTellsOfChanges: two failures are forgiven, and after a failure the application is checked more often until
// it is decided whether it is healthy.
func TestProberTellsOfChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		answers := []error{broken, broken, nil, nil, broken, broken, nil, broken, broken, broken, broken, nil}
		ctx, cancel := context.WithCancel(t.Context())
		p := Prober{Eager: time.Second, Interval: 5 * time.Second, Timeout: time.Second, Ask: func(context.Context) error {
			answer := answers[0]
			if answers = answers[1:]; len(answers) == 0 {
				defer time.AfterFunc(time.Millisecond, cancel)
			}
			return answer
		}}
		started, told := time.Now(), []string{}
		p.Run(ctx, func(err error) {
			word := "well"
			if err != nil {
				word = err.Error()
			}
			told = append(told, time.Since(started).String()+" "+word)
		})
		// The checks are at 0s, 1s, 2s, 7s; 12s, 13s, 14s; 19s, 20s, 21s, 22s, 23s.
		want := []string{"2s well", "21s broken", "23s well"}
		if diff := cmp.Diff(want, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}

// TestProberTellsWhatNeverWorked: what is unwell from the start is told, and another reason too, but not each time.
func TestProberTellsWhatNeverWorked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		started, told := time.Now(), []string{}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p := Prober{Eager: time.Second, Interval: 5 * time.Second, Timeout: time.Second, Ask: func(context.Context) error {
			if since := time.Since(started); since < 10*time.Second {
				return errors.New("refused")
			} else {
				return errors.New("refused after " + since.String())
			}
		}}
		p.Run(ctx, func(err error) { told = append(told, err.Error()) })
		if diff := cmp.Diff([]string{"refused", "refused after 35s"}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
