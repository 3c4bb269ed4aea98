package demo

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
)

// updates counts the updates that each Envoy has taken: of clusters, listeners, routes and endpoints
// together. An Envoy that does not answer, or counts none, is left out.
func (s *stage) updates(ctx context.Context) map[string]int {
	counts := map[string]int{}
	proxies := []*proxied{s.edge}
	for _, i := range s.instances {
		if i.proxy != nil {
			proxies = append(proxies, i.proxy)
		}
	}
	for _, p := range proxies {
		if n, err := s.countUpdates(ctx, p); err == nil && n > 0 {
			counts[p.name] = n
		}
	}
	return counts
}

func (s *stage) countUpdates(ctx context.Context, p *proxied) (int, error) {
	url := "http://" + loopback(p.admin) + "/stats?format=json&filter=" + `%5C.update_success$`
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var stats struct {
		Stats []struct {
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.NewDecoder(response.Body).Decode(&stats); err != nil {
		return 0, err
	}
	total := 0
	for _, stat := range stats.Stats {
		if n, err := strconv.Atoi(string(stat.Value)); err == nil {
			total += n
		}
	}
	return total, nil
}
