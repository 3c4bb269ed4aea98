package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestTrafficPolicyLive edits the settings in a manifest, and checks how a running proxy handles the next requests.
func TestTrafficPolicyLive(t *testing.T) {
	t.Parallel()
	const quiet = "{retries: 0, outliers: 0}"
	users := func(traffic string) string { return strings.TrimSpace(loneService) + "\ntraffic: " + traffic + "\n" }
	m := newMesh(t, map[string]string{"users.yaml": users(quiet), "edge.yaml": loneEdge})
	m.startInstance("users", "users-1", options{})
	m.startInstance("users", "users-2", options{})
	edge := m.startEdge("public")
	answers(t, edge, "any.example.com", "users-1")
	answers(t, edge, "any.example.com", "users-2")

	// ofTen sends ten requests and counts the failed ones.
	ofTen := func(path string) (failed int) {
		for range 10 {
			if status, _ := get(t, edge+path, "any.example.com"); status != http.StatusOK {
				failed++
			}
		}
		return failed
	}
	for _, change := range []struct {
		name, traffic string
		takesEffect   func() string
	}{
		{"timeout", "{retries: 0, outliers: 0, timeout: 300ms}", func() string {
			started := time.Now()
			status, body := get(t, edge+"/sleep?for=3s", "any.example.com")
			if took := time.Since(started); status != http.StatusGatewayTimeout || took > 2*time.Second {
				return fmt.Sprintf("got %d %s after %v: want 504 after 300ms", status, body, took)
			}
			return ""
		}},
		{"retries off", quiet, func() string { return want("failed of ten", ofTen("/fail/odd"), 1, 10) }},
		{"retries", "{outliers: 0, retries: {attempts: 5, on: 5xx}}", func() string { return want("failed of ten", ofTen("/fail/odd"), 0, 0) }},
		{"circuit breaker", "{retries: 0, outliers: 0, circuitBreaker: {requests: 1}}", func() string {
			traffic := startTraffic(t, edge+"/sleep?for=50ms", "any.example.com")
			traffic.sends(t, 20)
			r := traffic.stop()
			if overflow := r.Reasons["503 Service Unavailable: upstream connect error or disconnect/reset before headers. reset reason: overflow"]; overflow == 0 || len(r.Apps) == 0 {
				return r.String()
			}
			return ""
		}},
		{"outliers off", quiet, func() string { return want("failed of ten", ofTen("/fail/users-2"), 5, 5) }},
		{"outliers", "{retries: 0, outliers: {consecutiveErrors: 3, interval: 100ms, ejectFor: 1m}}", func() string { return want("failed of ten", ofTen("/fail/users-2"), 0, 0) }},
	} {
		t.Run(change.name, func(t *testing.T) {
			m.write("users.yaml", users(change.traffic))
			eventually(t, "the change takes effect", change.takesEffect)
		})
	}
}

// want returns "" for a number from low to high.
func want(what string, got, low, high int) string {
	if got < low || got > high {
		return fmt.Sprintf("%s: %d, want %d to %d", what, got, low, high)
	}
	return ""
}
