package api_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
	"github.com/doyen-mesh/doyen/internal/registry/client"
)

// TestRenewal: a renewal of the registered version extends the lease, and any other one changes nothing.
func TestRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := registry.New(t.Context(), registry.Options{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { _ = r.Run(t.Context()) }()
		c, err := client.New("http://server", &http.Client{Transport: direct{api.Handler(api.Options{Registry: r})}})
		if err != nil {
			t.Fatal(err)
		}
		i := registry.Instance{Key: key("users", "10.0.0.7:9211"), Incarnation: r.Issue(), Sequence: 1}
		if _, err := c.Renew(t.Context(), i); !httpapi.IsStatus(err, http.StatusNotFound) {
			t.Errorf("before a check-in: %v, want 404", err)
		}
		if _, err := c.CheckIn(t.Context(), i); err != nil {
			t.Fatal(err)
		}
		snapshot := r.Snapshot()
		for range 20 {
			time.Sleep(5 * time.Minute)
			answer, err := c.Renew(t.Context(), i)
			if after := time.Duration(answer.RenewAfter); err != nil || after < 50*time.Second || after > time.Minute {
				t.Fatalf("renewal: %v, again after %v", err, after)
			}
		}
		if r.Snapshot() != snapshot {
			t.Error("a renewal made a snapshot")
		}
		for name, other := range map[string]func(*registry.Instance){
			"another sequence":    func(i *registry.Instance) { i.Sequence = 2 },
			"another incarnation": func(i *registry.Instance) { i.Incarnation = r.Issue() },
			"no incarnation":      func(i *registry.Instance) { i.Incarnation = registry.Incarnation{} },
		} {
			wrong := i
			other(&wrong)
			before, _ := r.Lease(i.Key)
			time.Sleep(time.Second)
			if _, err := c.Renew(t.Context(), wrong); !httpapi.IsStatus(err, http.StatusConflict) {
				t.Errorf("%s: %v, want 409", name, err)
			}
			if after, _ := r.Lease(i.Key); after.Expires != before.Expires {
				t.Errorf("%s: the lease was extended", name)
			}
		}
	})
}

// direct calls a handler without a network.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}
