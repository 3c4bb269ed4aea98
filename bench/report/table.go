package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/mesh"
	"github.com/doyen-mesh/doyen/bench/program"
)

// table is a Markdown table whose columns are as wide as they need to be.
type table struct{ rows [][]string }

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	widths := make([]int, len(t.rows[0]))
	for _, row := range t.rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	var b strings.Builder
	for number, row := range t.rows {
		for i, cell := range row {
			fmt.Fprintf(&b, "| %-*s ", widths[i], cell)
		}
		b.WriteString("|\n")
		if number == 0 {
			for _, width := range widths {
				b.WriteString("|" + strings.Repeat("-", width+2))
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}

// Targets is the table of all targets.
func Targets(outcomes []compare.Outcome) string {
	t := table{}
	t.add("what", "doyen", "go-control-plane, better cache", "ratio", "target", "met")
	for _, o := range outcomes {
		peer, ratio := "", ""
		if o.PeerServer != "" {
			peer = fmt.Sprintf("%s (%s)", number(o.Peer, o.Unit), cacheOf(o.PeerServer))
			if o.Ratio > 0 {
				ratio = times(o.Times)
			}
		}
		t.add(fmt.Sprintf("%s: %s", group(o.Group, o.Protocol), o.Name), number(o.Doyen, o.Unit), peer, ratio, target(o.Check), met(o))
	}
	return t.String()
}

// Floors is the table of what doyen costs above the floor.
func Floors(outcomes []compare.Outcome) string {
	t := table{}
	t.add("what", "floor", "doyen", "above the floor")
	for _, o := range outcomes {
		if o.Floor > 0 && o.Ratio > 0 {
			t.add(fmt.Sprintf("%s: %s", group(o.Group, o.Protocol), o.Name), number(o.Floor, o.Unit), number(o.Doyen, o.Unit),
				times(o.Doyen/o.Floor))
		}
	}
	return t.String()
}

// Figures is the table of everything that was measured with clients.
func Figures(results []compare.Result) string {
	t := table{}
	t.add("load", "server", "sync CPU", "sync wall", "sync MB", "heap/client", "stack/client", "RSS", "change CPU",
		"p50", "p99", "writer blocked (max)", "bytes", "changes/s", "p99", "cores", "idle cores", "sets equal")
	for _, r := range results {
		if r.Error != "" {
			continue // what was measured before the error may be wrong too
		}
		rate := []string{"", "", ""}
		if r.Rate.Made > 0 {
			rate = []string{fmt.Sprintf("%.1f", r.Rate.PerSecond), duration(r.Rate.P99), fmt.Sprintf("%.2f", r.Rate.Cores)}
		}
		t.add(append(append([]string{
			fmt.Sprintf("%s, %d clients", group(r.Group, r.Protocol), r.Clients), r.Server,
			duration(r.Sync.CPU), duration(r.Sync.Wall), fmt.Sprintf("%.0f", float64(r.Sync.Bytes)/1e6),
			fmt.Sprintf("%.1f KiB", float64(r.Memory.HeapPerClient)/1024), fmt.Sprintf("%.1f KiB", float64(r.Memory.StackPerClient)/1024),
			fmt.Sprintf("%d MiB", r.Memory.RSS>>20), duration(r.Change.CPU), duration(r.Change.P50), duration(r.Change.P99),
			fmt.Sprintf("%s (%s)", duration(r.Change.Blocked), duration(r.Change.BlockedMax)), fmt.Sprint(r.Change.Bytes),
		}, rate...), fmt.Sprintf("%.4f", r.IdleCores), yes(r.Verified))...)
	}
	return t.String()
}

// Errors lists the scenarios that failed.
func Errors(results []compare.Result) string {
	var b strings.Builder
	for _, r := range results {
		if r.Error != "" {
			fmt.Fprintf(&b, "- Failed: %s\n", r.Error)
		}
	}
	return b.String()
}

// Program is the table of what was measured of the doyen program.
func Program(p program.Figures) string {
	t := table{}
	t.add("what", "measured", "target", "met")
	for _, f := range p.Rows() {
		t.add(f.Name, f.Value, f.Target, yes(f.Met))
	}
	return t.String()
}

// MeshTable is the table of what was measured of a mesh, "" when nothing was.
func MeshTable(figures []mesh.Figure) string {
	if len(figures) == 0 {
		return ""
	}
	t := table{}
	t.add("row", "what", "measured", "target", "met", "before")
	for _, f := range figures {
		target, met, before := "", "", ""
		if f.Target > 0 {
			target, met = "under "+number(f.Target, compare.Unit(f.Unit)), yes(f.Value < f.Target)
		}
		if f.Before > 0 {
			before = number(f.Before, compare.Unit(f.Unit))
		}
		t.add(f.Row, f.What, number(f.Value, compare.Unit(f.Unit)), target, met, before)
	}
	return t.String()
}

func group(name string, protocol any) string { return fmt.Sprintf("%s, %s", name, protocol) }

func cacheOf(server string) string { return strings.TrimPrefix(server, "go-control-plane ") }

func target(c compare.Check) string {
	switch {
	case c.Ratio > 0 && c.Aim > 0:
		return fmt.Sprintf("%gx, aim %gx", c.Ratio, c.Aim)
	case c.Ratio > 0:
		return fmt.Sprintf("%gx", c.Ratio)
	case c.AtLeast:
		return fmt.Sprintf("at least %g %s", c.Limit, c.Unit)
	}
	return fmt.Sprintf("under %g %s", c.Limit, c.Unit)
}

// met says nothing where the peer was not measured.
func met(o compare.Outcome) string {
	if o.Ratio > 0 && o.PeerServer == "" {
		return ""
	}
	return yes(o.Met)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "**no**"
}

// times writes a ratio.
func times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("%.0fx", ratio)
	}
	return fmt.Sprintf("%.1fx", ratio)
}

// number writes three significant digits.
func number(value float64, unit compare.Unit) string {
	text := fmt.Sprintf("%.3g", value)
	if value >= 100 {
		text = fmt.Sprintf("%.0f", value)
	}
	return text + " " + string(unit)
}

func duration(d time.Duration) string { return number(d.Seconds()*1000, compare.Milliseconds) }
