package config

import (
	"testing"
	"testing/fstest"
	"time"
)

// TestHealthTimeout wants a check that comes often to be valid without a word about its timeout.
func TestHealthTimeout(t *testing.T) {
	for health, want := range map[string]time.Duration{
		"{http: /healthz}":                                 time.Second,
		"{http: /healthz, interval: 500ms}":                500 * time.Millisecond,
		"{http: /healthz, interval: 500ms, timeout: 50ms}": 50 * time.Millisecond,
		"/healthz": time.Second,
	} {
		s, problems, err := Load(fstest.MapFS{"users.yaml": {Data: []byte("kind: Service\nname: users\nports: 8080\nhealth: " + health + "\n")}})
		if err != nil || problems != nil {
			t.Errorf("health %s: %v %v", health, err, problems)
			continue
		}
		if got := time.Duration(s.Documents.Services.Get("users").Health.Timeout); got != want {
			t.Errorf("health %s: timeout %v, want %v", health, got, want)
		}
	}
}
