package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/httpapi"
	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/registry"
	"github.com/doyen-mesh/doyen/internal/registry/api"
)

// Client calls one server. It is safe for concurrent use.
type Client struct{ api *httpapi.Client }

// New returns a client of the server at base, such as http://127.0.0.1:18001. Requests go
// through h; nil makes a transport. Each call's context bounds its time.
func New(base string, h *http.Client) (*Client, error) {
	c, err := httpapi.NewClient(base, h)
	if err != nil {
		return nil, err
	}
	return &Client{c}, nil
}

// Close closes idle connections.
func (c *Client) Close() { c.api.Close() }

// CheckIn checks the instance in, or renews its lease with the same call. After it returned without an error, a crash
// of the server does not lose the instance. The answer says when to check in again.
func (c *Client) CheckIn(ctx context.Context, i registry.Instance) (api.CheckedIn, error) {
	body := api.CheckIn{
		Ports: i.Ports, Zone: i.Zone, Tags: i.Tags, Weight: i.Weight,
		State: i.State, Reason: i.Reason, Lease: api.Duration(i.Lease), Identity: i.Identity, Proxy: i.Proxy,
		Incarnation: i.Incarnation, Sequence: i.Sequence,
	}
	var answer api.CheckedIn
	_, err := c.api.Call(ctx, http.MethodPut, instancePath(i.Key), networkOf(i.Key), body, &answer)
	return answer, err
}

// Renew renews the lease of an instance as it was checked in last, without repeating its description. If the server does
// not know it, or in another version, the error is a refusal, and the caller checks in. So it is with servers of earlier
// releases, which do not have this call.
func (c *Client) Renew(ctx context.Context, i registry.Instance) (api.Renewed, error) {
	query := networkOf(i.Key)
	query.Set("incarnation", i.Incarnation.String())
	query.Set("sequence", strconv.FormatUint(i.Sequence, 10))
	var answer api.Renewed
	_, err := c.api.Call(ctx, http.MethodPost, instancePath(i.Key)+"/renewal", query, struct{}{}, &answer)
	return answer, err
}

// Issue requests a new incarnation of the instance: one for each start of its agent. It changes nothing: the
// incarnation counts from its first check-in.
func (c *Client) Issue(ctx context.Context, key registry.Key) (registry.Incarnation, error) {
	var answer api.Incarnation
	_, err := c.api.Call(ctx, http.MethodPost, instancePath(key)+"/incarnation", networkOf(key), struct{}{}, &answer)
	return answer.Incarnation, err
}

// Leave removes the incarnation from the registry immediately and permanently; the zero value removes whichever is
// registered. With a wait above zero it returns when the callers' proxies have acknowledged that, or after wait. If
// the server does not know the instance, it has left already, which is no error.
func (c *Client) Leave(ctx context.Context, key registry.Key, incarnation registry.Incarnation, wait time.Duration) (api.Left, error) {
	query := networkOf(key)
	if !incarnation.IsZero() {
		query.Set("incarnation", incarnation.String())
	}
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	var answer api.Left
	_, err := c.api.Call(ctx, http.MethodDelete, instancePath(key), query, nil, &answer)
	if httpapi.IsStatus(err, http.StatusNotFound) {
		return api.Left{Reason: "it was not in the registry"}, nil
	}
	return answer, err
}

// Maintain puts an instance in maintenance for a reason; an empty reason takes that back. With a wait above zero it
// returns when the callers' proxies have acknowledged that, or after wait.
func (c *Client) Maintain(ctx context.Context, key registry.Key, reason string, wait time.Duration) (api.Left, error) {
	query := networkOf(key)
	if wait > 0 {
		query.Set("wait", wait.String())
	}
	method, body := http.MethodPut, any(api.Maintenance{Reason: reason})
	if reason == "" {
		method, body = http.MethodDelete, nil
	}
	var answer api.Left
	_, err := c.api.Call(ctx, method, instancePath(key)+"/maintenance", query, body, &answer)
	return answer, err
}

// Orders lists the operators' orders in effect.
func (c *Client) Orders(ctx context.Context) ([]api.Order, error) {
	var answer api.Orders
	_, err := c.api.Call(ctx, http.MethodGet, "/v1/maintenance", nil, nil, &answer)
	return answer.Orders, err
}

// Instances lists the instances of service, or of all services when it is "".
func (c *Client) Instances(ctx context.Context, service mesh.ServiceName) (api.Instances, error) {
	var answer api.Instances
	_, err := c.api.Call(ctx, http.MethodGet, listPath(service), nil, nil, &answer)
	return answer, err
}

// Watch does what Instances does, but waits up to wait until there is something newer than the version of an earlier
// answer. It returns false if nothing changed in that time. An unknown or empty version is always outdated.
func (c *Client) Watch(ctx context.Context, service mesh.ServiceName, after string, wait time.Duration) (api.Instances, bool, error) {
	query := url.Values{"after": {after}, "wait": {wait.String()}}
	var answer api.Instances
	status, err := c.api.Call(ctx, http.MethodGet, listPath(service), query, nil, &answer)
	return answer, err == nil && status == http.StatusOK, err
}

// WatchInstance waits up to wait until the instance, or its service's manifest, differs from the version of an
// earlier answer. It returns false if nothing changed in that time. If the instance is not registered, or is removed,
// the error is a 404. An empty version is always outdated.
func (c *Client) WatchInstance(ctx context.Context, key registry.Key, after string, wait time.Duration) (api.Shown, bool, error) {
	query := networkOf(key)
	query.Set("after", after)
	query.Set("wait", wait.String())
	var answer api.Shown
	status, err := c.api.Call(ctx, http.MethodGet, instancePath(key), query, nil, &answer)
	return answer, err == nil && status == http.StatusOK, err
}

// Doubts lists where expiry is paused.
func (c *Client) Doubts(ctx context.Context) ([]api.Doubt, error) {
	var answer api.Doubts
	_, err := c.api.Call(ctx, http.MethodGet, "/v1/expiry", nil, nil, &answer)
	return answer.Doubts, err
}

// Decide ends the pause of expiry for service, or every pause if it is "", and returns the number of instances
// concerned.
func (c *Client) Decide(ctx context.Context, service mesh.ServiceName, decision registry.Decision) (int, error) {
	path := "/v1/expiry"
	if service != "" {
		path = "/v1/services/" + url.PathEscape(string(service)) + "/expiry"
	}
	var answer api.Decided
	_, err := c.api.Call(ctx, http.MethodPost, path, nil, api.Decision{Decision: decision}, &answer)
	return answer.Instances, err
}

func listPath(service mesh.ServiceName) string {
	return strings.TrimSuffix("/v1/instances/"+url.PathEscape(string(service)), "/")
}

func instancePath(key registry.Key) string {
	return listPath(key.Service) + "/" + url.PathEscape(key.Address.String())
}

// networkOf returns the parameter that names the network of an instance, if it is not the default network.
func networkOf(key registry.Key) url.Values {
	query := url.Values{}
	if key.Network != "" {
		query.Set("network", string(key.Network))
	}
	return query
}
