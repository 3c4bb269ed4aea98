package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
)

// Names of Envoy's statistics, as regular expressions. Updates are those of clusters, listeners, routes and endpoints.
const (
	updatesTaken   = `\.update_success$`
	updatesRefused = `\.update_rejected$`
	strangeFields  = `(unknown_fields|deprecated_feature_use|wip_protos)$` // sent, but unknown or deprecated
)

// sums adds up, for each Envoy, the statistics whose names match. It leaves out Envoys that do not answer.
func (s *stage) sums(ctx context.Context, name string) map[string]int {
	sums := map[string]int{}
	proxies := []*proxied{s.edge}
	for _, i := range s.instances {
		if i.proxy != nil {
			proxies = append(proxies, i.proxy)
		}
	}
	for _, p := range proxies {
		if n, err := s.sum(ctx, p, name); err == nil {
			sums[p.name] = n
		}
	}
	return sums
}

func (s *stage) sum(ctx context.Context, p *proxied, name string) (int, error) {
	query := url.Values{"format": {"json"}, "filter": {name}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+loopback(p.admin)+"/stats?"+query.Encode(), nil)
	if err != nil {
		return 0, err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Stats []struct {
			Value json.RawMessage `json:"value"`
		} `json:"stats"`
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	total := 0
	for _, stat := range answer.Stats {
		if n, err := strconv.Atoi(string(stat.Value)); err == nil {
			total += n
		}
	}
	return total, nil
}

// nothingRefused checks the statistics of the Envoys that still run for rejected updates.
func nothingRefused(ctx context.Context, s *stage) (string, error) {
	taken, refused, strange := total(s.sums(ctx, updatesTaken)), total(s.sums(ctx, updatesRefused)), total(s.sums(ctx, strangeFields))
	figures := fmt.Sprintf("%d updates accepted by %d Envoys, %d rejected, %d unknown or deprecated fields", taken, len(s.sums(ctx, updatesTaken)), refused, strange)
	switch {
	case taken == 0:
		return figures, fmt.Errorf("no Envoy accepted any")
	case refused+strange > 0:
		return figures, fmt.Errorf("an Envoy rejected an update, or got unknown or deprecated fields")
	}
	return figures, nil
}

func total(sums map[string]int) int {
	all := 0
	for _, n := range sums {
		all += n
	}
	return all
}
