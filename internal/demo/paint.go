package demo

import (
	"fmt"
	"strings"
)

// What a terminal understands (ECMA-48): go up some lines, and clear from here to the end.
const (
	upLines    = "\x1b[%dA"
	clearBelow = "\x1b[J"
)

// paint shows the view in place of what it showed before.
func (v *view) paint() {
	lines := v.lines()
	var b strings.Builder
	if v.painted > 0 {
		fmt.Fprintf(&b, upLines, v.painted)
	}
	b.WriteString(clearBelow)
	for _, line := range lines {
		b.WriteString(cut(line, v.stage.width()))
		b.WriteByte('\n')
	}
	v.painted = len(lines)
	fmt.Fprint(v.stage.Out, b.String())
}

// lines are the view as a table.
func (v *view) lines() []string {
	connected, inSync := v.proxies()
	lines := []string{fmt.Sprintf("%-26s %10s %9s %10s %10s %7s", "PATH", "REQUESTS", "SUCCESS", "P50", "P99", "FAILED")}
	for i, f := range v.recent {
		lines = append(lines, fmt.Sprintf("%-26s %8.0f/s %8.2f%% %10s %10s %7d", v.stage.paths[i].name, f.perSecond(),
			f.success(), milliseconds(f.percentile(0.5)), milliseconds(f.percentile(0.99)), v.last[i].Failed))
	}
	lines = append(lines, "", "instances  "+v.instances(), fmt.Sprintf("proxies    %d connected, %d in sync", connected, inSync))
	if v.asked != nil {
		lines = append(lines, "server     does not answer; the traffic goes on without it")
	} else {
		lines = append(lines, "documents  revision "+v.status.Config.Revision)
	}
	return append(append(lines, ""), v.events...)
}

// cut keeps a line from being wrapped, which would break the painting over it.
func cut(line string, width int) string {
	if runes := []rune(line); width > 0 && len(runes) > width {
		return string(runes[:width])
	}
	return line
}
