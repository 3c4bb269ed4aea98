package yamldoc

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// indentationHint says how to indent the line of a place that is indented like no line above it; "" if its indentation
// is possible there.
func (d *Document) indentationHint(at mesh.Origin) string {
	levels := []level{}
	opened := true // the line above may be followed by a deeper one
	for number := d.before + 1; number < at.Line; number++ {
		text := strings.TrimRight(d.lines[number-1], " \t\r")
		bare := strings.TrimLeft(text, " ")
		if bare == "" || bare[0] == '#' || strings.HasPrefix(bare, "---") {
			continue
		}
		levels = nextLevels(levels, text, number)
		opened = strings.HasSuffix(text, ":") || strings.HasSuffix(text, "-") || strings.ContainsAny(text, "|>{[")
	}
	indent := indentOf(d.lineAt(at))
	var nearest level
	for i, l := range levels {
		if l.indent == indent {
			return ""
		}
		if i == 0 || distance(l.indent, indent) <= distance(nearest.indent, indent) {
			nearest = l
		}
	}
	if len(levels) == 0 || opened && indent > levels[len(levels)-1].indent {
		return ""
	}
	switch nearest.indent {
	case 0:
		return fmt.Sprintf("begin it at the start of the line, like line %d", nearest.line)
	case 1:
		return fmt.Sprintf("indent it by 1 space, like line %d", nearest.line)
	}
	return fmt.Sprintf("indent it by %d spaces, like line %d", nearest.indent, nearest.line)
}

// level is an indentation at which fields or items of a block that is still open begin.
type level struct{ indent, line int }

// nextLevels are the levels after a line. An item of a list opens a level for its own fields, too.
func nextLevels(levels []level, text string, number int) []level {
	indent := indentOf(text)
	for len(levels) > 0 && levels[len(levels)-1].indent >= indent {
		levels = levels[:len(levels)-1]
	}
	levels = append(levels, level{indent, number})
	for rest := text[indent:]; strings.HasPrefix(rest, "- "); rest = text[indent:] {
		indent += 1 + indentOf(rest[1:])
		levels = append(levels, level{indent, number})
	}
	return levels
}

// indentOf is how many spaces a line begins with.
func indentOf(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

func distance(a, b int) int { return max(a-b, b-a) }

// continuationHint is for a text without quotes that goes on on the next line, which is hardly ever meant: YAML joins
// the lines. It is "" if the text that begins at a place is all on its line.
func (d *Document) continuationHint(at mesh.Origin, text string) string {
	line := []rune(d.lineAt(at))
	if at.Column < 1 || at.Column > len(line) || strings.HasPrefix(string(line[at.Column-1:]), text) {
		return ""
	}
	first := strings.TrimRightFunc(string(line[at.Column-1:]), unicode.IsSpace)
	if !strings.HasPrefix(text, first) {
		return ""
	}
	return fmt.Sprintf("the text goes on on line %d, which is indented deeper: check its indentation", at.Line+1)
}
