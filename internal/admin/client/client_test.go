package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// server answers every request with status and body, and returns the requests that it got.
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
	c, err := New(s.URL, nil)
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
			"edges", func(c *Client) (any, error) { return c.Edges(ctx) }, `{"edges":[{"name":"public"}]}`,
			"GET /v1/edges", []api.Edge{{Name: "public"}},
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
