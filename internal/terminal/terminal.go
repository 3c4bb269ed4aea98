// Package terminal detects a writer's terminal and its size, and repaints text on it without flicker.
//
// It paints exactly one line for each line that it is given: no text in a line can move the cursor or start another
// line.
package terminal

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/doyen-mesh/doyen/internal/printable"
)

// Is reports whether w is a terminal.
func Is(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Size returns the number of columns and rows of the terminal w, 0 and 0 if they are unknown.
func Size(w io.Writer) (columns, rows int) {
	f, ok := w.(*os.File)
	if !ok {
		return 0, 0
	}
	columns, rows, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return columns, rows
}

// Control sequences that every terminal understands (ECMA-48).
const (
	upLines    = "\x1b[%dA"
	clearLine  = "\x1b[K" // from the cursor to the end of the line
	clearBelow = "\x1b[J" // from the cursor to the end of the screen
)

// Screen repaints lines in place. Not safe for concurrent use.
type Screen struct {
	Out  io.Writer
	Size func() (columns, rows int) // 0 is not known

	painted int // lines that the next painting goes over
}

// Paint shows lines in place of those painted before, each cut to the width of the terminal. If there are too many,
// the last ones are left out and counted.
func (s *Screen) Paint(lines []string) {
	columns, rows := s.Size()
	lines = fitting(lines, rows-1) // the cursor takes the last row
	var b strings.Builder
	if s.painted > 0 {
		fmt.Fprintf(&b, upLines, s.painted)
	}
	for _, line := range lines {
		b.WriteString(Cut(printable.Text(line), columns))
		b.WriteString(clearLine + "\n")
	}
	b.WriteString(clearBelow)
	s.painted = len(lines)
	_, _ = io.WriteString(s.Out, b.String()) // one write, so that no half of it is seen
}

func fitting(lines []string, rows int) []string {
	if rows <= 1 || len(lines) <= rows {
		return lines
	}
	shown := lines[: rows-1 : rows-1]
	return append(shown, fmt.Sprintf("(%d more lines: the window is too small)", len(lines)-len(shown)))
}

// Cut cuts line to a number of columns, and marks that something is missing; with 0 columns it does not.
func Cut(line string, columns int) string {
	runes := []rune(line)
	if columns <= 0 || len(runes) <= columns {
		return line
	}
	return string(runes[:columns-1]) + "…"
}

// Wrap breaks a line between words into lines of at most width columns; those after the first are indented. With a
// width of 0 it does not. A word that is wider than a line stays whole on a line of its own, because it may be a name
// to copy.
func Wrap(line string, width, indent int) []string {
	var lines []string
	for width > 0 && utf8.RuneCountInString(line) > width {
		all := []rune(line)
		at := lastBreak(all, width, indent)
		if at < 0 {
			break
		}
		lines = append(lines, strings.TrimRight(string(all[:at]), " "))
		line = strings.Repeat(" ", indent) + strings.TrimLeft(string(all[at:]), " ")
	}
	return append(lines, line)
}

// lastBreak returns the last space at which a line can be broken to fit, or else the first one after that; -1 if
// there is none.
func lastBreak(line []rune, width, indent int) int {
	for at := width; at > indent; at-- {
		if line[at] == ' ' && line[at-1] != ' ' {
			return at
		}
	}
	for at := max(width, indent+1); at < len(line); at++ {
		if line[at] == ' ' {
			return at
		}
	}
	return -1
}
