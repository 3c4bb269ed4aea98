package demo

import (
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/doyen-mesh/doyen/internal/admin/api"

	"github.com/doyen-mesh/doyen/internal/traffic"
)

// testView returns the view of a demo whose server answers.
func testView() *view {
	v := &view{
		stage:  &stage{paths: []*path{{name: "edge > users"}, {name: "edge > web > orders"}, {name: "desk > quotes (gRPC)"}}},
		recent: make(mark, 3), last: make(mark, 3), running: map[string]bool{},
		counts: []api.Service{
			{Name: "desk", Instances: api.Instances{Healthy: 1}}, {Name: "orders", Instances: api.Instances{Healthy: 2}},
			{Name: "quotes", Instances: api.Instances{Healthy: 2}}, {Name: "users", Instances: api.Instances{Healthy: 1, Starting: 1}}, {Name: "web", Instances: api.Instances{Healthy: 2}},
		},
	}
	for i := range v.recent {
		v.recent[i] = traffic.Figures{Sent: 220, Over: time.Second}
		v.last[i] = traffic.Figures{Failed: 12}
	}
	v.status.Config.Revision = "4bb7819ad4e4"
	v.status.Summary.Proxies = api.ProxySummary{Connected: 8, InSync: 8}
	return v
}

// TestViewFitsNarrowTerminals checks that every figure is shown, however narrow the terminal is.
func TestViewFitsNarrowTerminals(t *testing.T) {
	v := testView()
	v.note("12 requests failed: %s", strings.Repeat("connection refused ", 8))
	for _, width := range []int{50, 60, 79, 80, 120} {
		text := v.text(width)
		for _, line := range text {
			if utf8.RuneCountInString(line) > width {
				t.Errorf("%d columns: %q is too wide", width, line)
			}
		}
		for _, want := range []string{"REQUESTS", "220/s", "FAILED", "web 2", "users 1 (+1 not healthy)", "8 connected, 8 in sync", "revision 4bb7819ad4e4"} {
			if !strings.Contains(strings.Join(strings.Fields(strings.Join(text, " ")), " "), want) {
				t.Errorf("%d columns: it does not say %q:\n%s", width, want, strings.Join(text, "\n"))
			}
		}
	}
}

// TestViewWithoutServer checks that nothing is shown that only the server could know.
func TestViewWithoutServer(t *testing.T) {
	v := testView()
	v.asked = errors.New("connection refused")
	for _, text := range []string{strings.Join(v.text(80), "\n"), v.line()} {
		if strings.Contains(text, "in sync") || strings.Contains(text, "users 1") || !strings.Contains(text, "not known: the server does not answer") {
			t.Errorf("without a server it says\n%s", text)
		}
	}
}

func TestEventsNameThePlace(t *testing.T) {
	for want, p := range map[string]api.Problem{
		"refused: users.yaml:3: no such field":      {File: "users.yaml", Line: 3, Column: 5, Message: "no such field"},
		"refused: users.yaml: holds no document":    {File: "users.yaml", Message: "holds no document"},
		"refused: the folder holds no documents":    {File: ".", Message: "the folder holds no documents"},
		`refused: a\x1b[2J.yaml: holds no document`: {File: "a\x1b[2J.yaml", Message: "holds no document"},
	} {
		v := testView()
		v.compare(api.Status{Config: api.Config{Problems: []api.Problem{p}}})
		if text := strings.Join(v.text(0), "\n"); !strings.HasSuffix(text, want) {
			t.Errorf("the event is %q, want %q", text, want)
		}
	}
}
