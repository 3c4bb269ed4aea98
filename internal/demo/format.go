package demo

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// summary counts the requests of all paths.
func (m mark) summary() string {
	sent, failed, _ := m.sum()
	return fmt.Sprintf("%d of %d requests failed", failed, sent)
}

// noneFailed returns an error if any request failed.
func (m mark) noneFailed() error {
	if _, failed, reason := m.sum(); failed > 0 {
		return fmt.Errorf("%d requests failed, the last one: %s", failed, reason)
	}
	return nil
}

// tooSlow returns an error if a path had too few requests to prove anything.
func (m mark) tooSlow(paths []*path) error {
	var errs []error
	for i, f := range m {
		if f.PerSecond() < leastRate {
			errs = append(errs, fmt.Errorf("%s: only %.0f requests/s, want %d: is the machine busy?", paths[i].name, f.PerSecond(), leastRate))
		}
	}
	return errors.Join(errs...)
}

// pathSummary lists the rate and latencies of each path.
func (m mark) pathSummary(paths []*path) string {
	var parts []string
	for i, f := range m {
		parts = append(parts, fmt.Sprintf("%s %.0f/s p50 %s p99 %s",
			paths[i].name, f.PerSecond(), milliseconds(f.Percentile(0.5)), milliseconds(f.Percentile(0.99))))
	}
	return strings.Join(parts, "; ")
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
}
