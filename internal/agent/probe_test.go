package agent

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
	tests := []struct {
		name    string
		health  *api.Health
		address string
		err     string
	}{
		{"http well", &api.Health{HTTP: "/healthz"}, web.Listener.Addr().String(), ""},
		{"http unwell", &api.Health{HTTP: "/other"}, web.Listener.Addr().String(), "503"},
		{"http closed", &api.Health{HTTP: "/healthz"}, closed, "refused"},
		{"grpc server", &api.Health{GRPC: text("")}, listener.Addr().String(), ""},
		{"grpc service", &api.Health{GRPC: text("users.Users")}, listener.Addr().String(), ""},
		{"grpc not serving", &api.Health{GRPC: text("users.Admin")}, listener.Addr().String(), "NOT_SERVING"},
		{"grpc unknown", &api.Health{GRPC: text("nobody")}, listener.Addr().String(), "unknown service"},
		{"grpc closed", &api.Health{GRPC: text("")}, closed, "refused"},
		{"tcp", &api.Health{TCP: true}, listener.Addr().String(), ""},
		{"tcp closed", &api.Health{TCP: true}, closed, "refused"},
		{"no check", nil, listener.Addr().String(), ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := newAppProber(test.health, test.address).once(t.Context())
			if (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
				t.Errorf("error = %v, want one that contains %q", err, test.err)
			}
		})
	}
}

func TestProberTellsOfChangesAndForgivesOneFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		answers := []error{broken, broken, nil, nil, broken, nil, broken, broken, broken, nil}
		ctx, cancel := context.WithCancel(t.Context())
		p := prober{eager: time.Second, interval: 5 * time.Second, timeout: time.Second, ask: func(context.Context) error {
			answer := answers[0]
			if answers = answers[1:]; len(answers) == 0 {
				defer time.AfterFunc(time.Millisecond, cancel)
			}
			return answer
		}}
		started, told := time.Now(), []string{}
		p.run(ctx, func(err error) {
			word := "well"
			if err != nil {
				word = err.Error()
			}
			told = append(told, time.Since(started).String()+" "+word)
		})
		want := []string{"2s well", "27s broken", "29s well"}
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
		p := prober{eager: time.Second, interval: 5 * time.Second, timeout: time.Second, ask: func(context.Context) error {
			if since := time.Since(started); since < 10*time.Second {
				return errors.New("refused")
			} else {
				return errors.New("refused after " + since.String())
			}
		}}
		p.run(ctx, func(err error) { told = append(told, err.Error()) })
		if diff := cmp.Diff([]string{"refused", "refused after 35s"}, told); diff != "" {
			t.Errorf("told (-want +got):\n%s", diff)
		}
	})
}
