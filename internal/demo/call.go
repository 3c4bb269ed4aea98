package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// callTimeout bounds each request of the demo.
const callTimeout = 5 * time.Second

// answer is an application's answer to a request: who it is, and the answers of the services that it called.
type answer struct {
	Service  string   `json:"service"`
	Instance string   `json:"instance"`
	Called   []answer `json:"called,omitempty"`
}

// caller sends HTTP requests to one address and never retries one.
type caller struct {
	base   string // http://host:port
	client *http.Client
}

func newCaller(base string) *caller {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: callTimeout}).DialContext, MaxIdleConnsPerHost: 128}
	return &caller{base: base, client: &http.Client{Transport: transport, Timeout: callTimeout}}
}

func (c *caller) close() { c.client.CloseIdleConnections() }

// call requests path of host. The body of the request cannot be read twice, so that Go's client does not silently
// resend it on another connection: a broken connection counts as a failure.
func (c *caller) call(ctx context.Context, host, path string) (answer, error) {
	body := io.NopCloser(strings.NewReader("."))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, body)
	if err != nil {
		return answer{}, err
	}
	request.Host, request.ContentLength = host, 1
	response, err := c.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("%s answers %s: %.200s", host, response.Status, bytes.TrimSpace(content))
	}
	var a answer
	if err := json.Unmarshal(content, &a); err != nil {
		return answer{}, fmt.Errorf("%s answers %.100q: %w", host, content, err)
	}
	return a, nil
}
