// Package client is a client for a server's HTTP API under /v1, for the agent and the command line. Its one
// invariant: no call outlasts its context, and none is retried.
package client

import (
	"context"
	"net/http"
	"net/url"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/httpapi"
)

// Client calls one server. It is safe for concurrent use.
type Client struct{ api *httpapi.Client }

// New returns a client of the server at base, such as http://127.0.0.1:18001. Requests go through h; nil makes a
// transport.
func New(base string, h *http.Client) (*Client, error) {
	c, err := httpapi.NewClient(base, h)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.api.Close() }

// Status is GET /v1/status.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	return s, c.call(ctx, http.MethodGet, "/v1/status", nil, &s)
}

// Services is GET /v1/services.
func (c *Client) Services(ctx context.Context) ([]api.Service, error) {
	var s api.Services
	return s.Services, c.call(ctx, http.MethodGet, "/v1/services", nil, &s)
}

// Service is GET /v1/services/{name}; *Refused with status 404 when it has no manifest.
func (c *Client) Service(ctx context.Context, name string) (api.Service, error) {
	var s api.Service
	return s, c.call(ctx, http.MethodGet, "/v1/services/"+url.PathEscape(name), nil, &s)
}

// Edges is GET /v1/edges.
func (c *Client) Edges(ctx context.Context) ([]api.Edge, error) {
	var e api.Edges
	return e.Edges, c.call(ctx, http.MethodGet, "/v1/edges", nil, &e)
}

// Edge is GET /v1/edges/{name}; *Refused with status 404 when no document describes it.
func (c *Client) Edge(ctx context.Context, name string) (api.Edge, error) {
	var e api.Edge
	return e, c.call(ctx, http.MethodGet, "/v1/edges/"+url.PathEscape(name), nil, &e)
}

// Accept lets the held change of that revision through.
func (c *Client) Accept(ctx context.Context, revision string) error {
	return c.call(ctx, http.MethodPost, "/v1/config/accept", api.Accept{Revision: revision}, nil)
}

// call sends body as JSON, unless it is nil, and decodes the answer into answer, unless that is nil.
func (c *Client) call(ctx context.Context, method, path string, body, answer any) error {
	_, err := c.api.Call(ctx, method, path, nil, body, answer)
	return err
}
