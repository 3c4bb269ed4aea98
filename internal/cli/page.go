package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// page is text for a person. It makes all lines printable, so that no text in them can start another line or hide
// what precedes it.
type page struct {
	width int // columns; 0 is any number
	lines []string
}

// String returns the page with a line feed after each line.
func (p *page) String() string {
	return strings.Join(append(slices.Clone(p.lines), ""), "\n")
}

// add adds a line and wraps it if it is too wide. Continuations are aligned with the text after a label of
// labelWidth, or indented by two more spaces than the line.
func (p *page) add(format string, args ...any) {
	line := printable.Text(fmt.Sprintf(format, args...))
	indent := len(line) - len(strings.TrimLeft(line, " ")) + 2
	if len(line) > labelWidth && line[0] != ' ' && line[labelWidth-1] == ' ' && line[labelWidth] != ' ' {
		indent = labelWidth
	}
	p.lines = append(p.lines, terminal.Wrap(line, p.width, indent)...)
}

// labelWidth is the width of the labels at the start of a page's first lines.
const labelWidth = 11

// field adds a line that begins with a label.
func (p *page) field(label, format string, args ...any) {
	p.add("%-*s%s", labelWidth, label, fmt.Sprintf(format, args...))
}

// blank adds an empty line.
func (p *page) blank() { p.lines = append(p.lines, "") }

func runes(s string) int { return len([]rune(s)) }

// leastColumn is the smallest width of a column of a table, in characters.
const leastColumn = 8

// columnGap separates two columns.
const columnGap = "  "

// table adds rows in columns. If they are too wide, it shortens the widest cells in the middle.
func (p *page) table(header []string, rows [][]string) {
	var all [][]string
	for _, row := range append([][]string{header}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = printable.Text(cell)
		}
		all = append(all, cells)
	}
	widths := columnWidths(all, p.width)
	for _, row := range all {
		var b strings.Builder
		for i, cell := range row {
			cell = shorten(cell, widths[i])
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-runes(cell)) + columnGap)
			}
		}
		p.lines = append(p.lines, strings.TrimRight(b.String(), " "))
	}
}

// columnWidths returns the widths of the widest cells, reduced until a row fits into width, the widest first.
func columnWidths(rows [][]string, width int) []int {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], runes(cell))
		}
	}
	total := len(columnGap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for ; width > 0 && total > width; total-- {
		widest := 0
		for i, w := range widths {
			if w > widths[widest] {
				widest = i
			}
		}
		if widths[widest] <= leastColumn {
			break
		}
		widths[widest]--
	}
	return widths
}

// shorten replaces the middle of a cell that is too wide, because names differ at their ends.
func shorten(cell string, width int) string {
	all := []rune(cell)
	if len(all) <= width {
		return cell
	}
	left := (width - 1) / 2
	return string(all[:left]) + "…" + string(all[len(all)-(width-1-left):])
}
