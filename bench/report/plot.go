package report

import (
	"fmt"
	"html"
	"strings"

	"github.com/doyen-mesh/doyen/bench/compare"
	"github.com/doyen-mesh/doyen/bench/fleet"
)

// Sizes of the plot in pixels.
const (
	plotWidth   = 860
	labelWidth  = 190
	barHeight   = 16
	barGap      = 5
	panelHeight = 28 // of a panel's title
	valueWidth  = 90
)

// panel is one figure of every server, as bars.
type panel struct {
	title  string
	unit   compare.Unit
	figure func(compare.Result) float64
}

func panels() []panel {
	return []panel{
		{"one change, CPU of the server until all have acknowledged it", compare.Milliseconds, compare.ChangeCPU},
		{"one change, p99 until a client has it", compare.Milliseconds, compare.ChangeP99},
		{"full sync of all clients, CPU of the server", compare.Milliseconds, compare.SyncCPU},
		{"live heap per client", compare.Kibibytes, compare.ClientHeap},
	}
}

// Plot draws the shared group of one variant: a panel for each figure, a bar for each server.
func Plot(results []compare.Result, protocol fleet.Protocol) string {
	var shown []compare.Result
	for _, r := range results {
		if r.Group == compare.Shared && r.Protocol == protocol && r.Verified {
			shown = append(shown, r)
		}
	}
	var body strings.Builder
	y := 0
	for _, p := range panels() {
		y = p.draw(&body, y, shown)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">
<rect width="100%%" height="100%%" fill="#ffffff"/>
%s</svg>
`, plotWidth, y, plotWidth, y, body.String())
}

// draw draws the panel below y and returns where it ends.
func (p panel) draw(b *strings.Builder, y int, results []compare.Result) int {
	largest := 0.0
	for _, r := range results {
		largest = max(largest, p.figure(r))
	}
	fmt.Fprintf(b, "<text x=\"8\" y=\"%d\" font-weight=\"bold\" fill=\"#222222\">%s</text>\n", y+panelHeight-9, html.EscapeString(p.title))
	y += panelHeight
	for _, r := range results {
		value := p.figure(r)
		width := 1.0
		if largest > 0 {
			width = max(1, value/largest*float64(plotWidth-labelWidth-valueWidth))
		}
		middle := y + barHeight - 4
		fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\" fill=\"#444444\">%s</text>\n", labelWidth-8, middle, html.EscapeString(r.Server))
		fmt.Fprintf(b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" fill=\"%s\"/>\n", labelWidth, y, width, barHeight, colour(r.Server))
		fmt.Fprintf(b, "<text x=\"%.1f\" y=\"%d\" fill=\"#222222\">%s</text>\n", float64(labelWidth)+width+6, middle, number(value, p.unit))
		y += barHeight + barGap
	}
	return y + barGap
}

func colour(server string) string {
	switch {
	case strings.HasPrefix(server, "doyen"):
		return "#2a7f62"
	case strings.HasPrefix(server, "go-control-plane"):
		return "#b5651d"
	}
	return "#9aa5b1"
}
