package traffic

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

// CallTimeout bounds each request.
const CallTimeout = 5 * time.Second

// Answer is an application's answer to a request: who it is, and the answers of the services that it called.
type Answer struct {
	Service  string   `json:"service"`
	Instance string   `json:"instance"`
	Called   []Answer `json:"called,omitempty"`
}

// Caller sends HTTP requests to one address and never retries one.
type Caller struct {
	base   string // http://host:port
	client *http.Client
}

// NewCaller returns a caller of base, which is http://host:port.
func NewCaller(base string) *Caller {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: CallTimeout}).DialContext, MaxIdleConnsPerHost: 128}
	return &Caller{base: base, client: &http.Client{Transport: transport, Timeout: CallTimeout}}
}

// Close closes the connections that are not in use.
func (c *Caller) Close() { c.client.CloseIdleConnections() }

// Call requests path of host. The body of the request cannot be read twice, so that Go's client does not silently
// resend it on another connection: a broken connection counts as a failure.
func (c *Caller) Call(ctx context.Context, host, path string) (Answer, error) {
	body := io.NopCloser(strings.NewReader("."))
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, body)
	if err != nil {
		return Answer{}, err
	}
	request.Host, request.ContentLength = host, 1
	response, err := c.client.Do(request)
	if err != nil {
		return Answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return Answer{}, err
	}
	if response.StatusCode != http.StatusOK {
		return Answer{}, fmt.Errorf("%s answers %s: %.200s", host, response.Status, bytes.TrimSpace(content))
	}
	var a Answer
	if err := json.Unmarshal(content, &a); err != nil {
		return Answer{}, fmt.Errorf("%s answers %.100q: %w", host, content, err)
	}
	return a, nil
}
