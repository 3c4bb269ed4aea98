package httpapi

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
	"strings"
	"time"
)

// maxAnswer limits what a client reads of an answer, in bytes: 256 MiB hold a million instances.
const maxAnswer = 256 << 20

// maxRefusal limits what a client reads of an answer that is not 2xx, in bytes.
const maxRefusal = 64 << 10

// connectTimeout limits one attempt to connect. The caller's context limits the whole call.
const connectTimeout = 5 * time.Second

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base string // without a slash at its end
	http *http.Client
}

// NewClient returns a client of the server at base, such as http://127.0.0.1:18001. Requests go through h. If it is
// nil, they go through a transport that ignores the proxy settings of the environment, which are for external hosts.
func NewClient(base string, h *http.Client) (*Client, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("server %q: want a URL such as http://127.0.0.1:18001", base)
	}
	if h == nil {
		h = &http.Client{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: connectTimeout}).DialContext}}
	}
	return &Client{base: strings.TrimRight(base, "/"), http: h}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Refused is an answer of the server other than 2xx.
type Refused struct {
	Status int   // of HTTP
	Answer Error // the body
}

// Error returns the server's message with all problems.
func (r *Refused) Error() string {
	text := r.Answer.Error
	for _, p := range r.Answer.Problems {
		text += fmt.Sprintf("; %s: %s", p.Field, p.Error)
		if p.Expected != "" {
			text += ": want " + p.Expected
		}
	}
	return text
}

// Temporary reports whether the same call may succeed later, because the fault is the server's.
func (r *Refused) Temporary() bool {
	return r.Status >= 500 || r.Status == http.StatusTooManyRequests
}

// IsStatus reports whether err is an answer with that HTTP status.
func IsStatus(err error, status int) bool {
	var refused *Refused
	return errors.As(err, &refused) && refused.Status == status
}

// Unreachable is the error that no server answered.
type Unreachable struct {
	Server string
	Err    error
}

func (u *Unreachable) Error() string {
	return fmt.Sprintf("server %s does not answer: %v", u.Server, u.Err)
}
func (u *Unreachable) Unwrap() error { return u.Err }

// Call makes one request. path is escaped and begins with /v1/; in is sent as JSON unless it is nil. The answer is
// decoded into out, unless out is nil or the answer has no content. Fields that out does not have are ignored.
//
// The error is a *Refused for an answer other than 2xx, and an *Unreachable if there is no whole answer.
func (c *Client) Call(ctx context.Context, method, path string, query url.Values, in, out any) (status int, err error) {
	request, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return 0, err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, &Unreachable{c.base, plain(err)}
	}
	defer response.Body.Close()
	if response.StatusCode/100 != 2 {
		return response.StatusCode, refusal(response)
	}
	if out == nil || response.StatusCode == http.StatusNoContent {
		return response.StatusCode, nil
	}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	switch {
	case err != nil:
		return response.StatusCode, &Unreachable{c.base, err}
	case len(content) > maxAnswer:
		return response.StatusCode, fmt.Errorf("%s: the answer has more than %d bytes", request.URL, maxAnswer)
	}
	if err := json.Unmarshal(content, out); err != nil {
		return response.StatusCode, fmt.Errorf("%s does not answer as doyen does: %w", request.URL, err)
	}
	return response.StatusCode, nil
}

// plain returns in a few words why there was no answer.
func plain(err error) error {
	for _, text := range noHTTP {
		if strings.Contains(err.Error(), text) {
			return errNoHTTP
		}
	}
	return shortest(err)
}

// noHTTP are the errors of net/http, which has no type for them, when a server sends something else: as the answer, or
// before the request is written, as an HTTP/2 server does. The second is an error that wraps nil.
var noHTTP = []string{"malformed HTTP response", "readLoopPeekFailLocked: %!w(<nil>)"}

var errNoHTTP = errors.New("it does not speak HTTP/1.1 there; a server's gRPC port (18000) is not its HTTP port (18001)")

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", method, path, err)
		}
		body = bytes.NewReader(encoded)
	}
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	request, err := http.NewRequestWithContext(ctx, method, target, body)
	if err == nil && in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, err
}

// refusal decodes an answer that is not 2xx. A proxy in between may have answered in another form.
func refusal(response *http.Response) error {
	r := &Refused{Status: response.StatusCode}
	content, err := io.ReadAll(io.LimitReader(response.Body, maxRefusal))
	if err != nil || json.Unmarshal(content, &r.Answer) != nil || r.Answer.Error == "" {
		r.Answer = Error{Error: fmt.Sprintf("%s answers %s: is it a doyen server?", response.Request.URL, response.Status)}
	}
	return r
}

// shortest removes the method and the address from a transport's error, because the caller knows them.
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
