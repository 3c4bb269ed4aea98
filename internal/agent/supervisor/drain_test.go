package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// gaugesAt serves an Envoy's statistics as a function of how often they were asked for.
func gaugesAt(t *testing.T, at func(look int) map[string]int) *Envoy {
	t.Helper()
	looks := atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		type stat struct {
			Name  string `json:"name"`
			Value int    `json:"value"`
		}
		answer := struct {
			Stats []any `json:"stats"`
		}{Stats: []any{map[string]any{"histograms": map[string]any{}}}}
		for name, value := range at(int(looks.Add(1))) {
			answer.Stats = append(answer.Stats, stat{name, value})
		}
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(server.Close)
	p := &Envoy{admin: newAdmin(1)}
	p.admin.base = server.URL
	t.Cleanup(p.admin.close)
	return p
}

func TestDrainWaitsForWhatIsUnderWay(t *testing.T) {
	const connections, active, total = "listener.ingress_http.downstream_cx_active", "http.ingress_http.downstream_rq_active", "http.ingress_http.downstream_rq_total"
	tests := []struct {
		name        string
		at          func(look int) map[string]int
		least, most time.Duration // how long it waits
	}{
		{"nobody is connected", func(int) map[string]int { return map[string]int{connections: 0, active: 0} }, 0, 600 * time.Millisecond},
		{
			"a request is answered after a while",
			func(look int) map[string]int {
				if look < 10 {
					return map[string]int{connections: 1, active: 1, total: 1}
				}
				return map[string]int{connections: 0, active: 0, total: 1}
			},
			10 * drainPoll, 5 * time.Second,
		},
		{
			"connections stay without a request",
			func(int) map[string]int { return map[string]int{connections: 2, active: 0, total: 7} },
			drainQuiet, 5 * time.Second,
		},
		{
			"short requests keep coming for a while",
			func(look int) map[string]int {
				return map[string]int{connections: 1, active: 0, total: min(look, 20)}
			},
			20*drainPoll + drainQuiet/2, 10 * time.Second,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			started := time.Now()
			if _, err := gaugesAt(t, test.at).quietDown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(started); took < test.least || took > test.most {
				t.Errorf("it took %v, want %v to %v", took, test.least, test.most)
			}
		})
	}
}

// TestDrainKeepsTCPConnections does not end while a connection without HTTP is open: nobody knows whether
// it is in use.
func TestDrainKeepsTCPConnections(t *testing.T) {
	p := gaugesAt(t, func(int) map[string]int { return map[string]int{"listener.ingress_db.downstream_cx_active": 3} })
	ctx, cancel := context.WithTimeout(t.Context(), 2*drainQuiet)
	defer cancel()
	last, err := p.quietDown(ctx)
	if !errors.Is(err, context.DeadlineExceeded) || last.connections != 3 || last.requests != 3 {
		t.Errorf("load %+v, error %v; want 3 connections and the end of the context", last, err)
	}
}
