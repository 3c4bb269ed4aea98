package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/internal/admin/api"
	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/terminal"
	"github.com/doyen-mesh/doyen/internal/traffic"
)

// eventsShown is how many of the latest events stay in view.
const eventsShown = 6

// view is what the running demo shows.
type view struct {
	stage   *stage
	last    mark // figures of the previous look
	recent  mark // figures between the last two looks
	status  api.Status
	asked   error // why the server did not answer the last look
	running map[string]bool
	counts  []api.Service
	events  []string // the latest
	fresh   []string // those since the last look
}

func newView(s *stage) *view {
	v := &view{stage: s, last: s.mark(), running: map[string]bool{}}
	for _, i := range s.instances {
		v.running[i.name] = true
	}
	return v
}

// look collects new figures, and records changes as events.
func (v *view) look(ctx context.Context) {
	v.fresh = nil
	now := v.stage.mark()
	v.recent, v.last = now.since(v.last), now
	if _, failed, reason := v.recent.sum(); failed > 0 {
		v.note("%d requests failed, the last one: %s", failed, reason)
	}
	for _, i := range v.stage.instances {
		if v.running[i.name] && hasEnded(i) == nil {
			v.running[i.name] = false
			v.note("%s has ended", i.name)
		}
	}
	status, err := v.stage.client.Status(ctx)
	if (err == nil) != (v.asked == nil) {
		v.note("the server %s", map[bool]string{true: "answers again", false: "does not answer"}[err == nil])
	}
	if v.asked = err; err != nil {
		return
	}
	v.compare(status)
	v.status = status
	if services, err := v.stage.client.Services(ctx); err == nil {
		v.counts = services
	}
}

// compare records what is new in a status.
func (v *view) compare(now api.Status) {
	before := v.status
	if before.Config.Revision != "" && now.Config.Revision != before.Config.Revision {
		v.note("the documents are now revision %s", now.Config.Revision)
	}
	if len(now.Config.Problems) > 0 && !slices.Equal(now.Config.Problems, before.Config.Problems) {
		p := now.Config.Problems[0]
		v.note("refused: %s%s", placeOf(p), p.Message)
	}
	if held := now.Config.Held; held != nil && (before.Config.Held == nil || before.Config.Held.Revision != held.Revision) {
		v.note("held: the change would remove most of the mesh; to let it take effect: doyen accept %s", held.Revision)
	}
}

// placeOf returns the place of a problem, "" if it is in no file, as when the folder does not exist.
func placeOf(p api.Problem) string {
	switch {
	case p.File == "" || p.File == ".":
		return ""
	case p.Line == 0:
		return p.File + ": "
	default:
		return fmt.Sprintf("%s:%d: ", p.File, p.Line)
	}
}

func (v *view) note(format string, args ...any) {
	event := time.Now().Format(time.TimeOnly) + " " + fmt.Sprintf(format, args...)
	v.fresh = append(v.fresh, event)
	v.events = append(v.events, event)
	v.events = v.events[max(0, len(v.events)-eventsShown):]
}

// proxySummary counts the connected proxies and those in sync. If the server does not answer, it says so, because the
// last figures may be wrong by now.
func (v *view) proxySummary() string {
	if v.asked != nil {
		return "not known: the server does not answer"
	}
	n := v.status.Summary.Proxies
	text := fmt.Sprintf("%d connected, %d in sync", n.Connected, n.InSync)
	if n.Missing > 0 {
		text += fmt.Sprintf(", %d missing", n.Missing)
	}
	return text
}

func (v *view) instances() string {
	if v.asked != nil {
		return "not known: the server does not answer"
	}
	var all []string
	for _, s := range v.counts {
		text := fmt.Sprintf("%s %d", s.Name, s.Instances.Healthy)
		if other := s.Instances.Unhealthy + s.Instances.Starting + s.Instances.Draining + s.Instances.Maintenance + s.Instances.Disconnected; other > 0 {
			text += fmt.Sprintf(" (+%d not healthy)", other)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func (v *view) documents() string {
	switch {
	case v.asked != nil:
		return "not known; the proxies keep what they have, and traffic goes on"
	case len(v.status.Config.Problems) > 0:
		return fmt.Sprintf("revision %s; a change is refused (doyen status)", v.status.Config.Revision)
	default:
		return "revision " + v.status.Config.Revision
	}
}

// line returns the view as one line of a log.
func (v *view) line() string {
	return fmt.Sprintf("%s %s; %s; proxies: %s; instances: %s",
		time.Now().Format(time.TimeOnly), v.recent.summary(), v.recent.pathSummary(v.stage.paths), v.proxySummary(), v.instances())
}

// column is one column of the table of paths.
type column struct {
	title string
	width int
	// narrow says that the column is left out where the terminal is too narrow for all.
	narrow bool
	cell   func(path string, recent, all traffic.Figures) string
}

var columns = []column{
	{"PATH", -22, false, func(path string, _, _ traffic.Figures) string { return path }},
	{"REQUESTS", 8, false, func(_ string, recent, _ traffic.Figures) string { return fmt.Sprintf("%.0f/s", recent.PerSecond()) }},
	{"SUCCESS", 8, true, func(_ string, recent, _ traffic.Figures) string { return fmt.Sprintf("%.2f%%", recent.Success()) }},
	{"P50", 9, true, func(_ string, recent, _ traffic.Figures) string { return milliseconds(recent.Percentile(0.5)) }},
	{"P99", 9, false, func(_ string, recent, _ traffic.Figures) string { return milliseconds(recent.Percentile(0.99)) }},
	{"FAILED", 7, false, func(_ string, _, all traffic.Figures) string { return fmt.Sprint(all.Failed) }},
}

// row returns one line of the table for a terminal of that many columns; 0 is unknown.
func row(width int, cell func(column) string) string {
	all := len(columns) - 1 // the gaps
	for _, c := range columns {
		all += max(c.width, -c.width)
	}
	var cells []string
	for _, c := range columns {
		if width == 0 || width >= all || !c.narrow {
			cells = append(cells, fmt.Sprintf("%*s", c.width, cell(c)))
		}
	}
	return strings.Join(cells, " ")
}

// text returns the view for a terminal of that many columns; 0 is unknown.
func (v *view) text(width int) []string {
	lines := []string{row(width, func(c column) string { return c.title })}
	for i, f := range v.recent {
		lines = append(lines, row(width, func(c column) string { return c.cell(v.stage.paths[i].name, f, v.last[i]) }))
	}
	lines = append(lines, "")
	for _, field := range [][2]string{{"instances", v.instances()}, {"proxies", v.proxySummary()}, {"documents", v.documents()}} {
		lines = append(lines, terminal.Wrap(fmt.Sprintf("%-11s%s", field[0], field[1]), width, 11)...)
	}
	lines = append(lines, "")
	for _, event := range v.events {
		lines = append(lines, terminal.Wrap(printable.Text(event), width, 9)...)
	}
	return lines
}
