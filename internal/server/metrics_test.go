package server

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// TestMetricsPage checks that the page on metrics has a row for each of doyen's metrics, with its labels and help
// text, and no others.
func TestMetricsPage(t *testing.T) {
	s := built(t)
	want := rows(s.collectors())
	page, err := os.ReadFile("../../docs/reference/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	got := regexp.MustCompile("(?m)^\\| `.*\\|$").FindAllString(string(page), -1)
	slices.Sort(got)
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("rows of the page (-want +got):\n%s", diff)
	}
}

// built returns a server of one service that does not run.
func built(t *testing.T) *server {
	t.Helper()
	o := Options{Config: t.TempDir(), Data: t.TempDir()}
	if err := os.WriteFile(o.Config+"/mesh.yaml", []byte("kind: Service\nname: users\nports: [8080]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.xds.Shutdown()
		if err := s.close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// rows returns what the page must say about the collectors' metrics, sorted.
func rows(all []prometheus.Collector) []string {
	// The parts of a prometheus.Desc are only available as text.
	text := regexp.MustCompile(`^Desc\{fqName: "(.*)", help: "([^"]*)", (?:unit: "[^"]*", )?constLabels: \{\}, variableLabels: \{(.*)\}\}$`)
	descriptions := make(chan *prometheus.Desc)
	go func() {
		defer close(descriptions)
		for _, c := range all {
			c.Describe(descriptions)
		}
	}()
	var rows []string
	for d := range descriptions {
		parts := text.FindStringSubmatch(d.String())
		if parts == nil {
			panic(fmt.Sprintf("this is not how a description looks: %s", d))
		}
		labels := ""
		if parts[3] != "" {
			labels = "`" + strings.ReplaceAll(parts[3], ",", "`, `") + "`"
		}
		rows = append(rows, fmt.Sprintf("| `%s` | %s | %s |", parts[1], cmp.Or(labels, "-"), parts[2]))
	}
	slices.Sort(rows)
	return rows
}
