package yamldoc

import (
	"fmt"
	"io"
	"strings"

	"github.com/doyen-mesh/doyen/internal/mesh"
	"github.com/doyen-mesh/doyen/internal/printable"
	"github.com/doyen-mesh/doyen/internal/terminal"
)

// Style says how problems are shown.
type Style struct {
	Color bool // in the terminal's colours
	Width int  // columns at which text is wrapped; 0 is any number
}

// Render writes problems as compilers do: each with its line of the file, the place in it marked.
func Render(w io.Writer, problems Problems, style Style) error {
	paint := plain
	if style.Color {
		paint = ansi
	}
	var b strings.Builder
	for i, p := range problems {
		if i > 0 {
			b.WriteByte('\n')
		}
		p.render(&b, paint, style.Width)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// The parts of a rendered problem that have a colour of their own.
type part int

const (
	bold part = iota
	red
	blue
)

// plain leaves text as it is.
func plain(_ part, text string) string { return text }

// ansi wraps text in the escape sequences of ECMA-48.
func ansi(p part, text string) string {
	return [...]string{bold: "\x1b[1m", red: "\x1b[1;31m", blue: "\x1b[1;34m"}[p] + text + "\x1b[0m"
}

func (p Problem) render(b *strings.Builder, paint func(part, string) string, width int) {
	if p.Origin.File != "." { // a problem of the folder itself has no place in it
		fmt.Fprintf(b, "%s ", paint(bold, printable.Text(p.Origin.String())+":"))
	}
	fmt.Fprintf(b, "%s\n", paint(red, printable.Text(p.Message)))
	margin := "  "
	if p.Source != "" {
		p = p.narrowed()
		number := fmt.Sprint(p.Origin.Line)
		margin = strings.Repeat(" ", len(number)+2)
		fmt.Fprintf(b, "%s%s\n", paint(blue, fmt.Sprintf(" %s | ", number)), printable.Columns(p.Source))
		fmt.Fprintf(b, "%s%s%s\n", paint(blue, margin+"| "), under(p.Source, p.Origin.Column), paint(red, strings.Repeat("^", max(1, p.Length))))
	}
	note := func(label, text string) {
		if text == "" {
			return
		}
		lines := terminal.Wrap(margin+label+": "+printable.Text(text), width, len(margin)+2)
		fmt.Fprintf(b, "%s%s\n", margin, strings.Replace(lines[0][len(margin):], label+":", paint(blue, label+":"), 1))
		for _, line := range lines[1:] {
			b.WriteString(line + "\n")
		}
	}
	note("expected", p.Expected)
	note("hint", p.Hint)
	if p.Related != (mesh.Origin{}) {
		note("see", p.Related.String())
	}
	if p.Origin.Owner != "" {
		note("owner", p.Origin.Owner)
	}
}

// widest is how many runes of a line are shown: what is longer would hide what is marked.
const widest = 200

// narrowed is the problem with no more of its line than fits, around what is marked.
func (p Problem) narrowed() Problem {
	line := []rune(p.Source)
	if len(line) <= widest {
		return p
	}
	from := min(max(0, p.Origin.Column-1-widest/2), len(line)-widest)
	p.Source = string(line[from : from+widest])
	p.Origin.Column -= from
	if from > 0 {
		p.Source = "..." + p.Source
		p.Origin.Column += 3
	}
	p.Length = min(p.Length, len([]rune(p.Source))+1-p.Origin.Column)
	if from+widest < len(line) {
		p.Source += "..."
	}
	return p
}

// under is the white space that leads to a column below a line, tabs kept so that it is as wide.
func under(line string, column int) string {
	var b strings.Builder
	for i, r := range []rune(line) {
		switch {
		case i+1 >= column:
			return b.String()
		case r == '\t':
			b.WriteByte('\t')
		default:
			b.WriteByte(' ')
		}
	}
	return b.String()
}
