package supervisor

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// adminTimeout bounds one question to Envoy's admin port.
const adminTimeout = 2 * time.Second

// admin asks the admin port of one Envoy on this machine.
type admin struct {
	base string
	http *http.Client
}

func newAdmin(port int) *admin {
	return &admin{
		base: "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		// A connection that is kept leads to the Envoy that has accepted it, also when another one has its port.
		http: &http.Client{Timeout: adminTimeout, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func (p *admin) close() { p.http.CloseIdleConnections() }

// ready is nil once Envoy has its first configuration.
func (p *admin) ready(ctx context.Context) error {
	_, err := p.call(ctx, http.MethodGet, "/ready")
	return err
}

// failHealthCheck makes Envoy ask its callers to close: HTTP/1 answers say so, HTTP/2 connections get a GOAWAY.
func (p *admin) failHealthCheck(ctx context.Context) error {
	_, err := p.call(ctx, http.MethodPost, "/healthcheck/fail")
	return err
}

// closeInbound stops accepting connections on every inbound listener.
func (p *admin) closeInbound(ctx context.Context) error {
	_, err := p.call(ctx, http.MethodPost, "/drain_listeners")
	return err
}

// gauges returns the value of every counter and gauge whose name matches the regular expression (RE2).
func (p *admin) gauges(ctx context.Context, expression string) (map[string]uint64, error) {
	answer, err := p.call(ctx, http.MethodGet, "/stats?format=json&filter="+url.QueryEscape(expression))
	if err != nil {
		return nil, err
	}
	var stats struct {
		Stats []struct {
			Name  string          `json:"name"`
			Value json.RawMessage `json:"value"` // a number; histograms have none
		} `json:"stats"`
	}
	if err := json.Unmarshal(answer, &stats); err != nil {
		return nil, fmt.Errorf("envoy's statistics: %w", err)
	}
	values := map[string]uint64{}
	for _, s := range stats.Stats {
		if n, err := strconv.ParseUint(string(s.Value), 10, 64); err == nil {
			values[s.Name] = n
		}
	}
	return values, nil
}

// refusedListeners returns what Envoy said of listeners that it has refused and that are not in force.
func (p *admin) refusedListeners(ctx context.Context) ([]string, error) {
	answer, err := p.call(ctx, http.MethodGet, "/config_dump?resource=dynamic_listeners")
	if err != nil {
		return nil, err
	}
	var dump struct {
		Configs []struct {
			Name  string `json:"name"`
			Error *struct {
				Details string `json:"details"`
			} `json:"error_state"`
		} `json:"configs"`
	}
	if err := json.Unmarshal(answer, &dump); err != nil {
		return nil, fmt.Errorf("envoy's listeners: %w", err)
	}
	var refused []string
	for _, l := range dump.Configs {
		if l.Error != nil {
			refused = append(refused, fmt.Sprintf("envoy refuses listener %s: %s", l.Name, l.Error.Details))
		}
	}
	return refused, nil
}

func (p *admin) call(ctx context.Context, method, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, p.base+path, nil)
	if err != nil {
		return nil, err
	}
	response, err := p.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("envoy answers %s to %s", response.Status, path)
	}
	return content, err
}
