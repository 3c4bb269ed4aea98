package yamldoc

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"

	"github.com/doyen-mesh/doyen/internal/mesh"
)

// syntaxError turns an error of the YAML library into a problem. The library says where it stopped, and
// often where the construct begins that it could not read. If it stopped at the end of the text, only the
// beginning helps.
func (d *Document) syntaxError(err error) *Problem {
	p := Problem{Message: "not YAML: " + strings.TrimPrefix(err.Error(), "yaml: "), Origin: d.place(1, 0)}
	if e := (*yaml.LoadError)(nil); errors.As(err, &e) {
		p.Message = strings.TrimSuffix(fmt.Sprintf("not YAML: %s %s", e.Message, e.ContextMsg), " ")
		at, from := d.place(e.Mark.Line, e.Mark.Column), d.place(e.ContextMark.Line, e.ContextMark.Column)
		switch {
		case e.Mark.Line == 0:
		case e.ContextMark.Line == 0 || at == from:
			p.Origin = at
		case d.lineAt(at) == "":
			p.Origin = from
		default:
			p.Origin, p.Related = at, from
		}
		p.Hint = d.syntaxHint(p.Origin)
	}
	return d.complete(p)
}

// syntaxHint guesses from the text at a place, where reading stopped, what to write instead.
func (d *Document) syntaxHint(at mesh.Origin) string {
	line := d.lineAt(at)
	runes := []rune(line)
	before := string(runes[:min(max(0, at.Column-1), len(runes))])
	rest := strings.TrimPrefix(line, before)
	_, value, isField := strings.Cut(strings.TrimLeft(line, " -"), ": ")
	bare := strings.TrimSpace(line)
	switch {
	case strings.Contains(line[:len(line)-len(strings.TrimLeft(line, " \t"))], "\t"), strings.HasPrefix(rest, "\t"):
		return "indent with spaces"
	case d.hasDirective():
		return "remove the lines that begin with %: documents need no directives"
	case strings.HasPrefix(rest, "*"), strings.HasPrefix(rest, "&"):
		return quote(rest)
	case strings.HasPrefix(value, "*"), strings.HasPrefix(value, "&"):
		return quote(value)
	case rest != "" && strings.ContainsRune("@`%!|>", rune(rest[0])):
		return "put text that begins with a special character in quotes"
	case isField && !strings.ContainsAny(value, "\"'{[") && strings.Contains(value, ": "):
		return "put text that holds a colon and a space in quotes"
	case bare != "" && !strings.ContainsAny(bare, ":{}[],\"'"):
		return "a field is written name: value"
	case isField, strings.HasSuffix(bare, ":"), strings.HasPrefix(bare, "-"):
		return d.indentationHint(at)
	}
	return ""
}

// quote is the hint for text that begins with a character by which YAML means an alias or an anchor.
func quote(text string) string {
	word := text
	if end := strings.IndexAny(text, ", ]}\r"); end > 0 {
		word = text[:end]
	}
	if len(word) > 1 && !strings.ContainsFunc(word[1:], func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '_' }) {
		return "anchors and aliases are not used here: write the value itself"
	}
	return fmt.Sprintf("put it in quotes: '%s'", word)
}

// lineAt returns the line of a place, "" if there is no such line.
func (d *Document) lineAt(o mesh.Origin) string {
	if o.Line < 1 || o.Line > len(d.lines) {
		return ""
	}
	return d.lines[o.Line-1]
}

// hasDirective reports whether the first line of the document, or the one before it, is a YAML directive.
func (d *Document) hasDirective() bool {
	for _, i := range []int{d.before - 1, d.before} {
		if i >= 0 && i < len(d.lines) && strings.HasPrefix(d.lines[i], "%") {
			return true
		}
	}
	return false
}
