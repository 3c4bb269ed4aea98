package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// server answers every request with status and body, and tells what it was asked.
func server(t *testing.T, status int, body string) (*Client, *string) {
	t.Helper()
	asked := new(string)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, _ := io.ReadAll(r.Body)
		*asked = strings.TrimSpace(r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(sent))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	c, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return c, asked
}

func TestCallsAreWhatTheServerExpects(t *testing.T) {
	ctx := context.Background()
	tests := []struct {
		name string
		call func(*Client) (any, error)
		body string
		want string
		got  any
	}{
		{
			"status", func(c *Client) (any, error) { return c.Status(ctx) }, `{"server":{"version":"v1"}}`,
			"GET /v1/status", api.Status{Server: api.Server{Version: "v1"}},
		},
		{
			"services", func(c *Client) (any, error) { return c.Services(ctx) }, `{"services":[{"name":"users"}]}`,
			"GET /v1/services", []api.Service{{Name: "users"}},
		},
		{
			"service", func(c *Client) (any, error) { return c.Service(ctx, "users") }, `{"name":"users","new":1}`,
			"GET /v1/services/users", api.Service{Name: "users"},
		},
		{
			"edge", func(c *Client) (any, error) { return c.Edge(ctx, "public") }, `{"name":"public"}`,
			"GET /v1/edges/public", api.Edge{Name: "public"},
		},
		{
			"accept", func(c *Client) (any, error) { return nil, c.Accept(ctx, "abc") }, ``,
			`POST /v1/config/accept application/json {"revision":"abc"}`, nil,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, asked := server(t, http.StatusOK, test.body)
			got, err := test.call(c)
			if err != nil {
				t.Fatal(err)
			}
			if *asked != test.want {
				t.Errorf("asked %q, want %q", *asked, test.want)
			}
			if diff := cmp.Diff(test.got, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusalsAreTheServersWords(t *testing.T) {
	c, _ := server(t, http.StatusNotFound, `{"error":"service \"user\" has no manifest","hint":"did you mean users?"}`)
	_, err := c.Service(t.Context(), "user")
	var refused *Refused
	if !errors.As(err, &refused) || refused.Status != 404 || refused.Answer.Hint != "did you mean users?" || err.Error() != `service "user" has no manifest` {
		t.Errorf("error = %#v", err)
	}
}

func TestAnotherServerIsToldApart(t *testing.T) {
	for _, status := range []int{http.StatusOK, http.StatusNotFound} {
		c, _ := server(t, status, "<html>")
		_, err := c.Status(t.Context())
		if err == nil || !strings.Contains(err.Error(), "doyen") {
			t.Errorf("%d: error = %v, want one that doubts it is a doyen server", status, err)
		}
	}
}

func TestNoServer(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	c, err := New(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Status(t.Context())
	var unreachable *Unreachable
	if !errors.As(err, &unreachable) || !strings.HasSuffix(err.Error(), "connection refused") {
		t.Errorf("error = %v, want Unreachable", err)
	}
}

func TestNewRefusesWhatIsNoURL(t *testing.T) {
	for _, base := range []string{"", "127.0.0.1:18001", "localhost", "ftp://x", "http://"} {
		if _, err := New(base); err == nil {
			t.Errorf("New(%q) accepts it", base)
		}
	}
}
