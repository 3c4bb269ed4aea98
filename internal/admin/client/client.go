// Package client asks a server's HTTP API under /v1. It is what the agent and the command line know
// of a server; its one invariant is that no call outlives its context, and none retries by itself.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
)

// maxAnswer bounds what is read of an answer, in bytes: the status of ten thousand proxies fits.
const maxAnswer = 256 << 20

// connectTimeout bounds one attempt to connect; how long an answer may take is the caller's context.
const connectTimeout = 5 * time.Second

// Client asks one server. Safe for concurrent use.
type Client struct {
	base *url.URL
	http *http.Client
}

// New returns a client of the server at base, such as http://127.0.0.1:18001.
func New(base string) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q is not a URL such as http://127.0.0.1:18001", base)
	}
	// A transport of its own, without the environment's proxy: that is for the world outside.
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext}
	return &Client{base: u, http: &http.Client{Transport: transport}}, nil
}

// Close ends connections that are kept for the next call.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Refused is an answer of the server other than 2xx.
type Refused struct {
	Status int       // of HTTP
	Answer api.Error // the server's words
}

func (r *Refused) Error() string { return r.Answer.Error }

// Unreachable says that no server answered.
type Unreachable struct {
	Server string
	Err    error
}

// NoAnswer makes an *Unreachable of a transport's error.
func NoAnswer(server string, err error) error {
	return &Unreachable{Server: server, Err: shortest(err)}
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("server %s does not answer: %v", u.Server, u.Err)
}
func (u *Unreachable) Unwrap() error { return u.Err }

// Status is GET /v1/status.
func (c *Client) Status(ctx context.Context) (api.Status, error) {
	var s api.Status
	return s, c.call(ctx, http.MethodGet, c.base.JoinPath("v1", "status"), nil, &s)
}

// Services is GET /v1/services.
func (c *Client) Services(ctx context.Context) ([]api.Service, error) {
	var s api.Services
	return s.Services, c.call(ctx, http.MethodGet, c.base.JoinPath("v1", "services"), nil, &s)
}

// Service is GET /v1/services/{name}; *Refused with status 404 when it has no manifest.
func (c *Client) Service(ctx context.Context, name string) (api.Service, error) {
	var s api.Service
	return s, c.call(ctx, http.MethodGet, c.base.JoinPath("v1", "services", name), nil, &s)
}

// Edge is GET /v1/edges/{name}; *Refused with status 404 when no document describes it.
func (c *Client) Edge(ctx context.Context, name string) (api.Edge, error) {
	var e api.Edge
	return e, c.call(ctx, http.MethodGet, c.base.JoinPath("v1", "edges", name), nil, &e)
}

// Accept lets the held change of that revision through.
func (c *Client) Accept(ctx context.Context, revision string) error {
	return c.call(ctx, http.MethodPost, c.base.JoinPath("v1", "config", "accept"), api.Accept{Revision: revision}, nil)
}

// call sends body as JSON, when there is one, and decodes the answer into answer, when one is wanted.
func (c *Client) call(ctx context.Context, method string, u *url.URL, body, answer any) error {
	request, err := newRequest(ctx, method, u, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return NoAnswer(c.base.String(), err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return &Unreachable{Server: c.base.String(), Err: err}
	}
	if response.StatusCode/100 != 2 {
		return refused(response, content)
	}
	if answer == nil {
		return nil
	}
	if err := json.Unmarshal(content, answer); err != nil {
		return fmt.Errorf("%s does not answer as doyen does: %w", u, err)
	}
	return nil
}

func newRequest(ctx context.Context, method string, u *url.URL, body any) (*http.Request, error) {
	if body == nil {
		return http.NewRequestWithContext(ctx, method, u.String(), nil)
	}
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(content))
	if err == nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}

func refused(response *http.Response, content []byte) error {
	r := &Refused{Status: response.StatusCode}
	if json.Unmarshal(content, &r.Answer) != nil || r.Answer.Error == "" {
		r.Answer.Error = fmt.Sprintf("%s answers %s: is it a doyen server?", response.Request.URL, response.Status)
	}
	return r
}

// shortest strips what the caller knows anyway, the method and the address, from a transport's error.
func shortest(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
